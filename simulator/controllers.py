"""Kubernetes' controllers as far as we need them: rolling updates and a slow autoscaler."""

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from simulator.cluster import PoolSpec
from simulator.engine_model import EngineModel
from simulator.pods import Pod, Stage

if TYPE_CHECKING:
    from simulator.world import World

_EVERY = 15.0
"""Seconds between looks of the autoscaler, Kubernetes' default."""


@dataclass(slots=True)
class Deployment:
    """What a pool should look like now."""

    spec: PoolSpec
    replicas: int
    revision: str
    version: str
    model: str
    speed: EngineModel
    slowdown: float = 1.0
    """Of every step of a pod of this revision."""
    unseen_floor: int | None = None
    """Replicas that an autoscaler keeps which reads no load as none; None while it sees it."""
    load_factor: float = 1.0
    """How many times as long as usual its pods take to load."""


@dataclass(slots=True)
class Rollout:
    """Replaces the pods of a pool one by one, with one more than needed while GPUs allow it."""

    deployment: Deployment
    old: list[Pod]
    pause: float
    """Seconds between one pod's turn and the next."""
    fresh: Pod | None = None
    next_at: float = 0.0

    @property
    def done(self) -> bool:
        """Whether every old pod has been replaced."""
        return not self.old and self.fresh is None

    def step(self, world: "World", now: float) -> None:
        """Do what is due."""
        if self.done or now < self.next_at:
            return
        if self.fresh is not None:
            if self.fresh.stage is Stage.READY:
                self._retire(now)
                self.fresh = None
                self.next_at = now + self.pause
            return
        self.fresh = world.start_pod(self.deployment, now)
        if self.fresh is None:
            self._retire(now, forget=False)  # no GPU to spare: one goes before one comes

    def _retire(self, now: float, forget: bool = True) -> None:
        if not self.old:
            return
        if self.old[0].stage is not Stage.GONE and self.old[0].stage is not Stage.DRAINING:
            self.old[0].drain(now)
        if forget:
            self.old.pop(0)


@dataclass(slots=True)
class Autoscaler:
    """Adds a replica when need lasts, takes one when surplus lasts."""

    deployment: Deployment
    needed_since: float = field(default=-1.0)
    spare_since: float = field(default=-1.0)
    _next: float = 0.0

    def step(self, world: "World", now: float) -> None:
        """Look at the pool's load, once in a while."""
        scaling = self.deployment.spec.scaling
        if scaling is None or now < self._next:
            return
        self._next = now + _EVERY
        if self.deployment.unseen_floor is not None:
            self._scale_in(world, self.deployment.unseen_floor, now)
            return
        pods = [pod for pod in world.pods(self.deployment.spec.name) if pod.stage is Stage.READY]
        load = sum(pod.engine.running + pod.engine.queued for pod in pods)
        want = max(self.deployment.spec.replicas, -(-load // max(1, int(scaling.target))))
        have = self.deployment.replicas
        if want > have and have < scaling.most:
            self.spare_since = -1.0
            self.needed_since = now if self.needed_since < 0 else self.needed_since
            if now - self.needed_since >= scaling.patience:
                self.needed_since = -1.0
                world.scale(self.deployment.spec.name, have + 1, now)
        elif want < have:
            self.needed_since = -1.0
            self.spare_since = now if self.spare_since < 0 else self.spare_since
            if now - self.spare_since >= scaling.cooldown:
                self.spare_since = -1.0
                world.scale(self.deployment.spec.name, have - 1, now)
        else:
            self.needed_since = self.spare_since = -1.0

    def _scale_in(self, world: "World", floor: int, now: float) -> None:
        """All at once, as Kubernetes does when the window of its stabilisation is over."""
        self.needed_since = self.spare_since = -1.0
        if self.deployment.replicas > floor:
            world.scale(self.deployment.spec.name, floor, now)
