"""Reads frames into what was seen of each replica and each GPU."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace

import numpy as np

from estimators.onset import run_start
from fleet import identity
from vocabulary import signals
from vocabulary.entities import Gpu, GpuShare
from vocabulary.expressions import Signal
from vocabulary.samples import Array, Frame
from vocabulary.scene import Watch

LOOKBACK = 600.0
STEP = 15.0


def _watch(signal: Signal) -> Watch:
    return Watch(signal, LOOKBACK, STEP)


TARGETS = _watch(signals.TARGET_UP)
RUNNING = _watch(signals.RUNNING)
WAITING = _watch(signals.WAITING)
KV_USAGE = _watch(signals.KV_USAGE)
STEPS = _watch(signals.STEP_RATE)
STEP_TOKENS = _watch(signals.STEP_TOKEN_RATE)
ENGINE_TOKENS = _watch(signals.ENGINE_TOKEN_RATE)
OUTPUT_TOKENS = _watch(signals.OUTPUT_TOKEN_RATE)
DURATIONS = Watch(signals.DURATION_COUNTS, STEP, STEP, every=300.0)
FINISHED = _watch(signals.FINISHED_RATE)
AWAKE = _watch(signals.ENGINE_AWAKE)
STARTED = _watch(signals.ENGINE_START)
ALLOCATION = _watch(signals.GPU_ALLOCATION)
GPU_CLOCK = _watch(signals.GPU_SM_CLOCK)
GPU_BUSY = _watch(signals.GPU_UTILIZATION)
GPU_INFO = _watch(signals.GPU_INFO)
DESIRED = _watch(signals.POOL_DESIRED)
SHARES = {
    "utilization": _watch(signals.GPU_SHARE_UTILIZATION),
    "memory": _watch(signals.GPU_SHARE_MEMORY),
    "power": _watch(signals.GPU_SHARE_POWER),
    "time": _watch(signals.GPU_SHARE_TIME),
}

WATCHES = (
    TARGETS, RUNNING, WAITING, KV_USAGE, STEPS, STEP_TOKENS, ENGINE_TOKENS, FINISHED,
    OUTPUT_TOKENS, DURATIONS, AWAKE, STARTED, ALLOCATION, GPU_CLOCK, GPU_BUSY, GPU_INFO, DESIRED,
    *SHARES.values(),
)  # fmt: skip
"""Everything a fleet view looks at."""

SHARED_BY = ("owner", "namespace", "pod", "replica", "mig")
IDENTITY = ("pool", "model", "engine", "version", "node", "pod", "target")


@dataclass(frozen=True, slots=True, eq=False)
class Seen:
    """One replica in this tick's frames."""

    identity: Mapping[str, str]
    verdict: str
    up: Array


@dataclass(frozen=True, slots=True, eq=False)
class Sightings:
    """One tick's frames, by replica and by GPU."""

    frame: Callable[[Watch], Frame]
    times: Array
    replicas: Mapping[str, Seen]
    elsewhere: frozenset[str] = frozenset()
    """What now shows itself to be a router or a gateway, and so is no replica."""
    rows: Mapping[Watch, Mapping[str, Array]] = field(default_factory=dict)
    slowest: Mapping[str, float] = field(default_factory=dict)
    """By replica: seconds in which all but one in a thousand of the last hour's requests finished,
    where steps are not counted and that is known."""

    def row(self, watch: Watch, replica: str) -> Array:
        """A replica's row of *watch*; all NaN where there is none."""
        found = self.rows[watch].get(replica)
        return found if found is not None else np.full(len(self.times), np.nan)

    def heartbeat(self, replica: str) -> Array:
        """Steps a second, else tokens as they are worked through, else as they come out."""
        steps, tokens = self.row(STEPS, replica), self.row(ENGINE_TOKENS, replica)
        tokens = np.where(np.isfinite(tokens), tokens, self.row(STEP_TOKENS, replica))
        return np.where(np.isfinite(steps), steps, tokens)

    def finished(self, replica: str) -> Array:
        """Requests that ended a second, else the tokens of those that did."""
        requests = self.row(FINISHED, replica)
        return np.where(np.isfinite(requests), requests, self.row(OUTPUT_TOKENS, replica))


def look(frame: Callable[[Watch], Frame]) -> Sightings:
    """Evaluate what is needed to judge every replica."""
    targets = frame(TARGETS)
    elsewhere = _elsewhere(targets)
    replicas = _from_targets(targets)
    replicas = {name: seen for name, seen in replicas.items() if name not in elsewhere}
    running = frame(RUNNING)
    for labels, row in running.rows():
        if labels.get("replica") and labels["replica"] not in replicas and _known(row):
            up = np.where(np.isfinite(row), 1.0, np.nan)
            verdict = "ok" if np.isfinite(up[-1]) else ""
            replicas[labels["replica"]] = Seen(_identity([labels]), verdict, up)
    per_replica = (
        *(RUNNING, WAITING, KV_USAGE, STEPS, STEP_TOKENS, ENGINE_TOKENS, AWAKE, STARTED),
        *(FINISHED, OUTPUT_TOKENS),
    )
    rows = {watch: _by_replica(frame(watch)) for watch in per_replica}
    seen = Sightings(frame, targets.times, replicas, elsewhere, rows)
    if all(np.isfinite(seen.heartbeat(one)).any() for one in rows[RUNNING]):
        return seen  # the bounds of durations are many series, and nobody needs them
    return replace(seen, slowest=_slowest(frame(DURATIONS)))


LEAST_REQUESTS = 50.0
"""Fewer finished requests than these say little of the slowest; our judgement."""


def _slowest(frame: Frame) -> dict[str, float]:
    """The bound within which all but one in a thousand requests stayed, by replica.

    Of a replica whose slowest requests lie beyond its last bound nothing is known.
    """
    counts: dict[str, dict[float, float]] = {}
    for labels, row in frame.rows():
        if np.isfinite(row[-1]) and labels.get("replica"):
            bounds = counts.setdefault(labels["replica"], {})
            bound = float(labels["le"])
            bounds[bound] = bounds.get(bound, 0.0) + float(row[-1])
    found = {}
    for replica, bounds in counts.items():
        every = bounds.get(np.inf, 0.0)
        within = min((one for one, count in bounds.items() if count >= 0.999 * every))
        if every >= LEAST_REQUESTS and np.isfinite(within):
            found[replica] = within
    return found


def allocations(frame: Callable[[Watch], Frame]) -> dict[str, tuple[str, ...]]:
    """GPU uuid → replicas that hold it now."""
    held: dict[str, set[str]] = {}
    for labels, row in frame(ALLOCATION).rows():
        if labels.get("gpu") and labels.get("replica") and row[-1] > 0.0:
            held.setdefault(labels["gpu"], set()).add(labels["replica"])
    return {gpu: tuple(sorted(replicas)) for gpu, replicas in held.items()}


def gpus(frame: Callable[[Watch], Frame], held: Mapping[str, tuple[str, ...]]) -> tuple[Gpu, ...]:
    """Every GPU in view, by node and index.

    Where nobody says a GPU's index, it is its place among its node's uuids.
    """
    nodes, last_seen = _gpu_places(frame)
    about = {labels.get("gpu", ""): labels for labels, _ in frame(GPU_INFO).rows()}
    shares = _shares(frame)
    counts: dict[str, int] = {}
    found = []
    for uuid in sorted(nodes, key=lambda one: (nodes[one], one)):
        node = nodes[uuid]
        place = counts[node] = counts.get(node, -1) + 1
        told = about.get(uuid, {})
        index = int(told["index"]) if told.get("index", "").isdecimal() else place
        entity = identity.gpu(uuid, f"{node} GPU {index}" if node else "")
        product = told.get("product", "")
        seen = last_seen[uuid]
        parts = shares.get(uuid, ())
        found.append(Gpu(entity, node, index, product, held.get(uuid, ()), seen, parts))
    return tuple(sorted(found, key=lambda one: (one.node, one.index, one.entity.id)))


def _shares(frame: Callable[[Watch], Frame]) -> dict[str, tuple[GpuShare, ...]]:
    """GPU uuid → whose part of it is how large now."""
    found: dict[str, dict[tuple[str, ...], dict[str, float]]] = {}
    for what, watch in SHARES.items():
        for labels, row in frame(watch).rows():
            if labels.get("gpu") and np.isfinite(row[-1]):
                who = tuple(labels.get(name, "") for name in SHARED_BY)
                parts = found.setdefault(labels["gpu"], {}).setdefault(who, {})
                parts[what] = float(row[-1])
    return {
        gpu: tuple(_share(who, parts[who]) for who in sorted(parts)) for gpu, parts in found.items()
    }


def _share(who: tuple[str, ...], parts: Mapping[str, float]) -> GpuShare:
    owner, namespace, pod, replica, mig = who
    known = (parts.get(what) for what in ("utilization", "memory", "power", "time"))
    return GpuShare(owner, namespace, pod, replica, mig, *known)


def _gpu_places(frame: Callable[[Watch], Frame]) -> tuple[dict[str, str], dict[str, float]]:
    """GPU uuid → its node, and when it was last seen."""
    nodes: dict[str, str] = {}
    last_seen: dict[str, float] = {}
    for watch in (GPU_CLOCK, GPU_BUSY, ALLOCATION):
        shown = frame(watch)
        for labels, row in shown.rows():
            known = np.flatnonzero(np.isfinite(row))
            uuid = labels.get("gpu", "")
            if uuid and known.size:
                nodes[uuid] = labels.get("node", nodes.get(uuid, ""))
                last_seen[uuid] = max(last_seen.get(uuid, 0.0), float(shown.times[known[-1]]))
    return nodes, last_seen


def _from_targets(frame: Frame) -> dict[str, Seen]:
    grouped: dict[str, list[tuple[dict[str, str], Array]]] = {}
    for labels, row in frame.rows():
        engine = labels.get("vantage", "engine") == "engine"
        if labels.get("replica") and engine and _known(row):
            grouped.setdefault(labels["replica"], []).append((labels, row))
    return {replica: _seen(frame.times, rows) for replica, rows in grouped.items()}


def _elsewhere(frame: Frame) -> frozenset[str]:
    """Those whose newest word bears another vantage. Before its first answer a target has none."""
    newest = [labels for labels, row in frame.rows() if np.isfinite(row[-1])]
    engines = {one.get("replica") for one in newest if one.get("vantage", "engine") == "engine"}
    return frozenset({one["replica"] for one in newest if one.get("replica")} - engines)


def _seen(times: Array, rows: list[tuple[dict[str, str], Array]]) -> Seen:
    """One replica's verdicts joined: at each moment the row that began last speaks."""
    rows = sorted(rows, key=lambda one: _began(times, one[1]))
    up = np.full(len(times), np.nan)
    for _, row in rows:
        up = np.where(np.isfinite(row), row, up)
    present = [labels for labels, row in rows if np.isfinite(row[-1])]
    verdict = present[-1].get("verdict", "ok") if present else ""
    return Seen(_identity(labels for labels, _ in rows), verdict, up)


def _began(times: Array, row: Array) -> float:
    """Start of the row's newest unbroken stretch."""
    known = np.isfinite(row)
    start = run_start(times, np.where(known, 1.0, 0.0), known)
    return start if start is not None else float(times[0]) - 1.0


def _identity(several: Iterable[dict[str, str]]) -> dict[str, str]:
    """The newest non-empty value of each identity label."""
    found: dict[str, str] = {}
    for labels in several:
        found.update({name: labels[name] for name in IDENTITY if labels.get(name)})
    return found


def _by_replica(frame: Frame) -> dict[str, Array]:
    """Rows by replica; of several (a model renamed), the one known last."""
    found: dict[str, Array] = {}
    for labels, row in frame.rows():
        name = labels.get("replica", "")
        if name and (name not in found or np.isfinite(row[-1])):
            found[name] = row
    return found


def _known(row: Array) -> bool:
    return bool(np.isfinite(row).any())
