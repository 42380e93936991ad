"""What an incident costs: requests, tokens, dollars, error budget. Unknown stays unknown."""

from collections.abc import Callable, Iterable, Sequence
from decimal import Decimal

from incidents.places import Map
from incidents.readings import LOOKBACK, Readings
from incidents.settings import DeskSettings
from incidents.tracking import Tracked
from vocabulary import failure_modes as f
from vocabulary import signals as s
from vocabulary.entities import EntityKind, Gpu, Replica
from vocabulary.incidents import Impact

GpuPrice = Callable[[Gpu], Decimal | None]
"""Dollars an hour of one GPU, None when its price is not known."""

STOPPED = frozenset({f.ENGINE_STALLED, f.ENGINE_DEAD, f.GPU_LOST, f.TARGET_HUNG})
"""Paid capacity does nothing."""
SLOWED = frozenset({f.THROUGHPUT_REGRESSION, f.STRAGGLER_GPU, f.KV_EXHAUSTION})
"""Paid capacity does less than it should."""
SPENDING = frozenset({f.COST_SPIKE, f.RUNAWAY_AGENT, f.LEAKED_KEY, f.CONTEXT_BLOAT})

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
    burn = _burn(models, readings, settings, basis)
    if since < readings.scene.now - LOOKBACK:
        basis.append(f"sums cover the last {LOOKBACK / 3600:g} h alone")
    return Impact(requests, tokens, usd, burn, "; ".join(basis) or "nothing to count was measured")


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
    failed = _failed(models, since, readings)
    if failed is None:
        failed = readings.total(s.FAILED_RATE, "replica", hit, since)
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


def _failed(models: Sequence[str], since: float, readings: Readings) -> float | None:
    """User calls that failed: none where calls are counted and no failure ever made a series."""
    if readings.total(s.GATEWAY_OPERATION_RATE, "model", models, since) is None:
        return None
    return readings.total(s.GATEWAY_ERROR_RATE, "model", models, since) or 0.0


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
        hourly = _hourly(replica, drawn, price)
        if share is None or hourly is None:
            unpriced = True
        else:
            idle += share * hourly
    known = hit and not unpriced
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


def _hourly(replica: Replica, drawn: Map, price: GpuPrice) -> Decimal | None:
    """What the replica's GPUs cost an hour, shared ones in equal parts; None when not known."""
    if not replica.gpus:
        return None
    total = Decimal(0)
    for uuid in replica.gpus:
        gpu = drawn.gpus.get(uuid)
        hourly = price(gpu) if gpu is not None else None
        if hourly is None:
            return None
        total += hourly / max(1, len(drawn.by_gpu.get(uuid, ())))
    return total


def _burn(
    models: Sequence[str], readings: Readings, settings: DeskSettings, basis: list[str]
) -> float | None:
    """How many times too fast the error budget goes, over five minutes, from the gateway alone."""
    if not models:
        return None
    since = readings.scene.now - 300.0
    failed = _failed(models, since, readings)
    calls = readings.total(s.GATEWAY_OPERATION_RATE, "model", models, since)
    if failed is None or not calls:
        return None
    basis.append(f"burn: gateway error share over {1.0 - settings.slo_target:.2%}")
    return round(failed / calls / (1.0 - settings.slo_target), 2)


def tenants(tracked: Iterable[Tracked]) -> tuple[str, ...]:
    """Tenants that the findings name."""
    named = {
        one.entity.id if one.entity.kind is EntityKind.TENANT else one.tenant for one in tracked
    }
    return tuple(sorted(filter(None, named)))
