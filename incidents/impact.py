"""What an incident costs: requests, tokens, dollars, error budget. Unknown stays unknown."""

from collections.abc import Callable, Iterable, Sequence
from decimal import Decimal

from incidents.error_budget import burn_now, burnt_since, failed_calls
from incidents.places import Map
from incidents.readings import LOOKBACK, Readings
from incidents.settings import DeskSettings
from incidents.tracking import Tracked
from vocabulary import failure_modes as f
from vocabulary import signals as s
from vocabulary.entities import EntityKind, Gpu, Replica, ReplicaState
from vocabulary.incidents import Impact

GpuPrice = Callable[[Gpu], Decimal | None]
"""Dollars an hour of one GPU, None when its price is not known."""

STOPPED = frozenset({f.ENGINE_STALLED, f.ENGINE_DEAD, f.GPU_LOST, f.TARGET_HUNG})
"""Paid capacity does nothing."""
SLOWED = frozenset({f.THROUGHPUT_REGRESSION, f.STRAGGLER_GPU, f.KV_EXHAUSTION})
"""Paid capacity does less than it should."""
UNUSED = frozenset({f.IDLE_GPU, f.OVER_REPLICATION, f.ORPHANED_GPU_MEMORY})
"""Paid capacity that nobody asks for anything."""
SPENDING = frozenset({f.COST_SPIKE, f.RUNAWAY_AGENT, f.LEAKED_KEY, f.CONTEXT_BLOAT})

SUFFERED = frozenset({"errors", "latency", "saturation", "throughput"})
"""Families of modes in which calls fail, wait or are slow."""
MOST_TENANTS = 200
"""Tenants an incident names as hit."""

CENT = Decimal("0.01")


def unknown_price(gpu: Gpu) -> None:
    """The price list of those who have none."""


def assess(
    tracked: Sequence[Tracked],
    since: float,
    drawn: Map,
    readings: Readings,
    price: GpuPrice,
    settings: DeskSettings,
) -> Impact:
    """Impact of an incident from its findings, oldest first; each figure says where it is from."""
    basis: list[str] = []
    hit = _hit(tracked, drawn)
    models = _gateway_names(tracked, readings)
    requests = _requests(hit, models, since, readings, basis)
    tokens = _tokens(hit, since, readings, basis)
    usd = _usd(tracked, hit, drawn, price, basis)
    burn = burn_now(models, readings, settings, basis)
    burnt = burnt_since(models, since, readings, settings, basis)
    if since < readings.scene.now - LOOKBACK:
        basis.append(f"sums cover the last {LOOKBACK / 3600:g} h alone")
    said = "; ".join(basis) or "nothing to count was measured"
    hit_tenants = callers(tracked, models, since, readings)
    return Impact(
        requests, tokens, usd, burn, said, slo_budget_burnt=burnt, tenants_hit=hit_tenants
    )


def _gateway_names(tracked: Iterable[Tracked], readings: Readings) -> list[str]:
    """The models concerned, by the name the gateway has for each: the model's own or its pool's."""
    found = set()
    for one in tracked:
        names = [name for name in (one.model, one.pool) if name]
        known = [n for n in names if readings.series(s.GATEWAY_OPERATION_RATE, "model", n)]
        found.update(known[:1])
    return sorted(found)


def _hit(tracked: Iterable[Tracked], drawn: Map) -> dict[str, tuple[Replica, bool]]:
    """Replicas that stopped (True) or slowed (False), by id."""
    hit: dict[str, tuple[Replica, bool]] = {}
    for one in tracked:
        stopped = one.mode in STOPPED
        if stopped or one.mode in SLOWED:
            for replica in drawn.around(one.entity):
                known = hit.get(replica.entity.id)
                hit[replica.entity.id] = (replica, stopped or (known is not None and known[1]))
    return hit


def _requests(
    hit: dict[str, tuple[Replica, bool]],
    models: Sequence[str],
    since: float,
    readings: Readings,
    basis: list[str],
) -> float | None:
    failed = failed_calls(models, since, readings.happened)
    if failed is None:
        failed = readings.happened(s.FAILED_RATE, "replica", hit, since)
    stopped = [name for name, (_, dead) in hit.items() if dead]
    held = [readings.latest(signal, "replica", stopped) for signal in (s.RUNNING, s.WAITING)]
    stuck = sum(filter(None, held)) if any(one is not None for one in held) else None
    if failed is None and stuck is None:
        return None
    parts = [
        f"{failed:.0f} failed calls" if failed is not None else "",
        f"{stuck:.0f} requests held by stopped replicas" if stuck is not None else "",
    ]
    basis.append("requests: " + " and ".join(filter(None, parts)))
    return float(round((failed or 0.0) + (stuck or 0.0)))


def _tokens(
    hit: dict[str, tuple[Replica, bool]], since: float, readings: Readings, basis: list[str]
) -> float | None:
    """What stopped replicas did not generate; of slow ones traffic alone decides how much it is."""
    found = [
        readings.shortfall(s.OUTPUT_TOKEN_RATE, name, since)
        for name, (_, stopped) in hit.items()
        if stopped
    ]
    lost = [one for one in found if one is not None]
    if not lost:
        return None
    basis.append("tokens: median rate before the onset minus what was generated since")
    return float(round(sum(lost)))


def _usd(
    tracked: Sequence[Tracked],
    hit: dict[str, tuple[Replica, bool]],
    drawn: Map,
    price: GpuPrice,
    basis: list[str],
) -> Decimal | None:
    overspend = _overspend(tracked)
    idle, unpriced = Decimal(0), False
    for name, (replica, stopped) in hit.items():
        share = Decimal(1) if stopped else _slowdown(name, tracked)
        hourly = hourly_cost(replica, drawn, price)
        if share is None or hourly is None:
            unpriced = True
        else:
            idle += share * hourly
    known = hit and not unpriced
    unused = _unused(tracked, drawn, price)
    if unused is not None:
        basis.append("dollars: list price per GPU hour of what is paid for and nobody uses")
        return unused.quantize(CENT)
    if overspend is None and not known:
        if unpriced:
            basis.append("dollars: the price or the loss of a GPU is not known")
        return None
    if known:
        basis.append("dollars: list price per GPU hour of capacity that was paid for and not used")
    if overspend is not None:
        basis.append("dollars: spend above what this hour of the week should have cost")
    return (overspend or Decimal(0)) + (idle if known else Decimal(0)).quantize(CENT)


def _overspend(tracked: Iterable[Tracked]) -> Decimal | None:
    """Observed minus expected spend, each subject once, from evidence in dollars an hour."""
    found: dict[str, Decimal] = {}
    for one in tracked:
        if one.mode not in SPENDING:
            continue
        for evidence in one.evidence:
            if evidence.unit != "USD/h" or evidence.speaks_against:
                continue
            if evidence.observed is not None and evidence.expected is not None:
                over = Decimal(str(evidence.observed)) - Decimal(str(evidence.expected))
                if over.is_finite():
                    found[f"{evidence.entity}"] = max(Decimal(0), over)
    return sum(found.values(), Decimal(0)).quantize(CENT) if found else None


def _slowdown(name: str, tracked: Sequence[Tracked]) -> Decimal | None:
    """Share of a replica's capacity that is lost, from the time between its tokens.

    The rate of tokens would not do: below saturation it is the traffic's, not the engine's.
    """
    shares = [
        1.0 - evidence.expected / evidence.observed
        for one in tracked
        for evidence in one.evidence
        if evidence.signal == s.ITL_MEAN.name
        and evidence.observed
        and evidence.expected
        and (evidence.entity.id == name or evidence.entity.kind is EntityKind.POOL)
    ]
    return Decimal(str(round(max(0.0, *shares), 4))) if shares else None


def hourly_cost(replica: Replica, drawn: Map, price: GpuPrice) -> Decimal | None:
    """What the replica's GPUs cost an hour; None when not known."""
    if not replica.gpus:
        return None
    total = Decimal(0)
    for uuid in replica.gpus:
        gpu = drawn.device(uuid)
        hourly = price(gpu) if gpu is not None else None
        if gpu is None or hourly is None:
            return None
        total += hourly * _part(replica, uuid, gpu, drawn)
    return total


def _part(replica: Replica, uuid: str, gpu: Gpu, drawn: Map) -> Decimal:
    """The replica's part of a GPU: of its time as it is shared out, else an equal one."""
    own = [one.time for one in gpu.shares if one.replica == replica.entity.id]
    known = [one for one in own if one is not None]
    if known:
        return Decimal(str(round(min(1.0, sum(known)), 6)))
    return Decimal(1) / max(1, len(drawn.by_gpu.get(uuid, ())))


def _unused(tracked: Iterable[Tracked], drawn: Map, price: GpuPrice) -> Decimal | None:
    """What GPUs and replicas cost an hour that are paid for and that nobody uses."""
    gpus: dict[str, Decimal | None] = {}
    for one in tracked:
        if one.mode not in UNUSED:
            continue
        if one.entity.kind is EntityKind.GPU:
            gpu = drawn.device(one.entity.id)
            hourly = price(gpu) if gpu is not None else None
            gpus[one.entity.id] = (
                None if hourly is None or gpu is None else hourly * _of_instance(one.entity.id, gpu)
            )
        else:
            for replica in drawn.around(one.entity):
                if replica.state is ReplicaState.IDLE:
                    gpus[replica.entity.id] = hourly_cost(replica, drawn, price)
    if not gpus or any(one is None for one in gpus.values()):
        return None
    return sum((one for one in gpus.values() if one is not None), Decimal(0))


def _of_instance(uuid: str, gpu: Gpu) -> Decimal:
    """Part of a GPU that *uuid* is: a MIG instance's own, or the whole of it."""
    told = [one.time for one in gpu.shares if one.mig == uuid and one.time is not None]
    return Decimal(str(round(min(1.0, sum(told)), 6))) if told else Decimal(1)


def callers(
    tracked: Iterable[Tracked], models: Sequence[str], since: float, readings: Readings
) -> tuple[str, ...] | None:
    """Tenants that called *models* since the onset, the most calls first, where calls suffer."""
    suffering = any(
        one.mode.family in SUFFERED and one.entity.kind is not EntityKind.TENANT for one in tracked
    )
    if not models or not suffering:
        return None
    times, calls = readings.parts((s.TENANT_OPERATION_RATE,), "tenant", frozenset(models))
    made = {name: float(row[times > since].sum()) for name, row in calls.items()}
    there = sorted((name for name in made if made[name] > 0.0), key=lambda one: (-made[one], one))
    return tuple(there[:MOST_TENANTS]) if calls else None


def tenants(tracked: Iterable[Tracked]) -> tuple[str, ...]:
    """Tenants that the findings name."""
    named = {
        one.entity.id if one.entity.kind is EntityKind.TENANT else one.tenant for one in tracked
    }
    return tuple(sorted(filter(None, named)))
