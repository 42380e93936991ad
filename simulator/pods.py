"""Pods of one pool: born, loading, ready, crashed, draining, gone."""

from dataclasses import dataclass, field
from enum import Enum

import numpy as np

from fleet.identity import pod_replica_id
from simulator.adapters import Adapters
from simulator.cluster import NAMESPACE, PoolSpec
from simulator.engine import Engine
from simulator.engine_model import EngineModel
from simulator.engine_roles import Decoding, Prefilling
from simulator.front_end import FrontEnd
from simulator.kv_link import Inbound
from simulator.pages.servers import SERVERS
from simulator.pages.text import Writer
from simulator.tallies import Tally

_LONGEST_BACK_OFF = 300.0
"""Kubernetes doubles the wait before a crashed container is started again up to five minutes."""
_FIRST_BACK_OFF = 10.0
_ROUTE_LAG = 5.0
"""Seconds until the route has learnt that a container died. Our judgement."""
_PROBE_SECONDS = 15.0
"""Three probes of 5 s each, as charts of vLLM set them."""
GRACE = 30.0
"""Kubernetes' default grace period for a pod that is asked to end."""


class Stage(Enum):
    """Where a pod is in its life."""

    LOADING = "loading"
    READY = "ready"
    DOWN = "down"
    """The container died and waits to be started again."""
    DRAINING = "draining"
    GONE = "gone"


@dataclass(slots=True, eq=False)
class Pod:
    """One replica: an engine, where it runs and what its door does."""

    pool: PoolSpec
    name: str
    uid: str
    node: str
    gpus: tuple[int, ...]
    """Positions in the GPU bank."""
    version: str
    model: str
    engine: Engine
    stage: Stage
    since: float
    """When this stage began."""
    hangs: bool = False
    """True: the door takes connections and never answers."""
    restarts: int = 0
    load_factor: float = 1.0
    """How many times as long as usual it takes to load."""
    grace: float = GRACE
    """Seconds it may go on when it is asked to end."""
    probe_limit: int = 0
    """Requests inside from which its health check answers too late; 0 is never."""
    probe_late_since: float = -1.0
    probe_kills: int = 0
    back_off: float = _FIRST_BACK_OFF
    writer: Writer = field(init=False)

    def __post_init__(self) -> None:
        self.writer = Writer(self.pool.server, created=SERVERS[self.pool.server].created)

    def replica_id(self, cluster: str) -> str:
        """Its entity id; the container is called like the server."""
        return pod_replica_id(cluster, NAMESPACE, self.uid, self.pool.server)

    @property
    def answers(self) -> bool:
        """Whether the process listens."""
        return self.stage in (Stage.READY, Stage.DRAINING)

    def routed(self, now: float) -> bool:
        """Whether the route still sends calls here."""
        if self.stage is Stage.DOWN:
            return now - self.since < _ROUTE_LAG
        return self.stage is Stage.READY

    def crash(self, now: float) -> None:
        """The process dies with everything in it."""
        self.engine.lose_everything(now)
        self.stage, self.since = Stage.DOWN, now

    def drain(self, now: float) -> None:
        """Take no more calls; end when the last is answered or grace is over."""
        self.stage, self.since = Stage.DRAINING, now

    def step(self, now: float) -> None:
        """Let time pass for the life cycle."""
        self._probe(now)
        waited = now - self.since
        if self.stage is Stage.DOWN and waited >= self.back_off:
            self.back_off = min(_LONGEST_BACK_OFF, 2 * self.back_off)
            self.restarts += 1
            self.stage, self.since = Stage.LOADING, now
        elif self.stage is Stage.LOADING and (
            waited >= self.engine.model.load_seconds * self.load_factor
        ):
            self.begin_counting(self.since)
            self.engine.clock = now
            self.stage, self.since = Stage.READY, now
        elif self.stage is Stage.DRAINING and (waited >= self.grace or not self.engine.requests()):
            self.engine.lose_everything(now)
            self.stage, self.since = Stage.GONE, now

    def _probe(self, now: float) -> None:
        """The kubelet kills a container whose health check is late three times in a row."""
        inside = len(self.engine.requests()) if self.probe_limit else 0
        late = self.stage is Stage.READY and 0 < self.probe_limit <= inside
        if not late:
            self.probe_late_since = -1.0
        elif self.probe_late_since < 0.0:
            self.probe_late_since = now
        elif now - self.probe_late_since >= _PROBE_SECONDS:
            self.probe_late_since = -1.0
            self.probe_kills += 1
            self.crash(now)

    def begin_counting(self, started: float) -> None:
        """A fresh process, started at *started*: its counters are at zero."""
        self.engine.tally = _tally(self.pool, self.engine.model, started)
        self.engine.front_end = FrontEnd(self.engine.front_end.seconds_per_token)

    def page(self, now: float) -> bytes:
        """What /metrics answers."""
        return SERVERS[self.pool.server].render(self.writer, self.engine, self.model, now)


def _engine(pool: PoolSpec, speed: EngineModel, rng: np.random.Generator, now: float) -> Engine:
    tally = _tally(pool, speed, now)
    adapters = None if pool.adapters is None else Adapters(pool.adapters)
    if pool.serves:
        return Prefilling(speed, rng, now, tally, adapters=adapters, lease=pool.lease)
    if pool.prefill is not None:
        inbound = Inbound(pool.prefill, speed.token_bytes)
        return Decoding(
            speed, rng, now, tally, drafting=pool.drafting, adapters=adapters, inbound=inbound,
            ranks=pool.gpus_per_replica,
        )  # fmt: skip
    return Engine(speed, rng, now, tally, drafting=pool.drafting, adapters=adapters)


def _tally(pool: PoolSpec, model: EngineModel, started: float) -> Tally:
    return Tally(started, model.max_context, SERVERS[pool.server].bounds)


@dataclass(slots=True)
class Nursery:
    """Makes pods with names that look like Kubernetes' and never repeat."""

    rng: np.random.Generator
    _alphabet: str = "bcdfghjklmnpqrstvwxz2456789"

    def letters(self, count: int) -> str:
        """A random suffix."""
        picks = self.rng.integers(len(self._alphabet), size=count)
        return "".join(self._alphabet[int(pick)] for pick in picks)

    def uid(self) -> str:
        """A random version-4 UUID."""
        text = self.rng.bytes(16).hex()
        return f"{text[:8]}-{text[8:12]}-4{text[13:16]}-a{text[17:20]}-{text[20:]}"

    def pod(
        self,
        pool: PoolSpec,
        revision: str,
        version: str,
        model: str,
        speed: EngineModel,
        node: str,
        gpus: tuple[int, ...],
        now: float,
    ) -> Pod:
        """A pod that begins to load at *now*."""
        engine = _engine(pool, speed, np.random.default_rng(self.rng.integers(2**63)), now)
        return Pod(
            pool,
            f"{pool.name}-{revision}-{self.letters(5)}",
            self.uid(),
            node,
            gpus,
            version,
            model,
            engine,
            Stage.LOADING,
            now,
        )
