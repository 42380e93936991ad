"""What Kubernetes does with pods that cannot run: no node, no image, a node that is gone.

Everything it knows leaves as changes in the words of `service/kubernetes`.
"""

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from fleet.identity import node as node_entity
from fleet.identity import pool as pool_entity
from simulator.controllers import Deployment
from simulator.pods import Pod, Stage
from vocabulary import statements
from vocabulary.entities import Change

if TYPE_CHECKING:
    from simulator.world import World

NOT_READY_AFTER = 40.0
"""Seconds until a silent node is called not ready: `--node-monitor-grace-period` of the node
controller up to Kubernetes 1.31, 50 since."""
EVICTED_AFTER = 300.0
"""Seconds a pod tolerates an unreachable node by default (Kubernetes' documentation of taints)."""
_EVERY = 5.0
"""Seconds between looks of the scheduler at pods that wait. Our judgement."""


@dataclass(slots=True)
class Waiting:
    """A pod that was asked for and that no node takes."""

    deployment: Deployment
    name: str
    uid: str


@dataclass(slots=True)
class Loss:
    """A node that is gone."""

    at: float
    reclaimed: bool
    """Taken back by its owner, so that it leaves the cluster; else it only falls silent."""
    told: bool = False
    evicted: bool = False


@dataclass(slots=True)
class Drain:
    """A node that its pods leave one by one, as a budget of one missing replica allows."""

    pause: float
    """Seconds between one pod's turn and the next."""
    fresh: Pod | None = None
    """What replaces the pod that left last."""
    next_at: float = 0.0


@dataclass(slots=True)
class Scheduling:
    """Pods without a node or without their image, and nodes that cannot be used."""

    waiting: list[Waiting] = field(default_factory=list)
    losses: dict[str, Loss] = field(default_factory=dict)
    """By name of the node."""
    withheld: dict[str, int] = field(default_factory=dict)
    """Node → GPUs that its device plugin does not offer although they are there."""
    drains: dict[str, Drain] = field(default_factory=dict)
    """By name of the node, which is cordoned for as long as it stands here."""
    unpullable: dict[str, str] = field(default_factory=dict)
    """Pool → why a node that has not got its image cannot pull it."""
    _stuck: dict[str, Pod] = field(default_factory=dict)
    _next: float = 0.0

    def ask(self, world: "World", deployment: Deployment, now: float) -> None:
        """One more pod of *deployment*: it starts, or waits for a node."""
        if world.start_pod(deployment, now) is not None:
            return
        pool = deployment.spec
        one = Waiting(deployment, *world.next_name(deployment))
        self.waiting.append(one)
        nodes = len(world.spec.nodes) - len(self.losses)
        why = f"0/{nodes} nodes are available: {nodes} Insufficient nvidia.com/gpu."
        what = f"{one.name} {statements.NO_NODE}: {why}"
        told = f"{one.uid}/unschedulable"
        world.note(Change(now, "pending", pool_entity(pool.id), what, pool.id, told))

    def give_up(self, world: "World", pool: str, most: int, now: float) -> int:
        """Let at most so many waiting pods of *pool* go; how many that were."""
        gone = [one for one in self.waiting if one.deployment.spec.name == pool][:most]
        for one in gone:
            self._waits_no_more(world, one, now)
        return len(gone)

    def lose(self, world: "World", node: str, now: float, *, reclaimed: bool) -> None:
        """The machine stops at once, with everything on it."""
        self.losses[node] = Loss(now, reclaimed)
        for pod in world.pods():
            if pod.node == node and pod.stage is not Stage.DOWN:
                pod.crash(now)

    def give_back(self, world: "World", node: str, now: float) -> None:
        """The machine is there again, and so are the pods that nobody took off it."""
        loss = self.losses.pop(node, None)
        if loss is None or not loss.told:
            return
        kind, what = ("node", statements.JOINED) if loss.reclaimed else ("health", statements.READY)
        world.note(Change(now, kind, node_entity(node), f"{node} {what}"))

    def offer(self, world: "World", node: str, withheld: int, now: float) -> None:
        """The device plugin of *node* offers all its GPUs but *withheld*."""
        there = sum(place.node == node for place in world.bank.places)
        self.withheld[node] = min(withheld, there)
        offered = there - self.withheld[node]
        what = f"{node} {statements.OFFERS} {offered} of its {there} GPUs"
        world.note(Change(now, "health", node_entity(node), what))

    def cordon(self, world: "World", node: str, now: float, pause: float) -> None:
        """Let no new pod onto *node*, and those that run there leave it in turn."""
        self.drains[node] = Drain(pause)
        world.note(Change(now, "node", node_entity(node), f"{node} {statements.CORDONED}"))

    def uncordon(self, world: "World", node: str, now: float) -> None:
        """Pods may come again; those that left do not return by themselves."""
        if self.drains.pop(node, None) is not None:
            world.note(Change(now, "node", node_entity(node), f"{node} {statements.UNCORDONED}"))

    def closed(self, node: str) -> bool:
        """Whether no new pod starts on *node*."""
        return node in self.drains or self.silent(node)

    def silent(self, node: str) -> bool:
        """Whether nothing on *node* can be reached."""
        return node in self.losses

    def still_routed(self, pod: Pod, now: float) -> bool:
        """Whether calls go to a pod of a node that nobody has missed yet."""
        loss = self.losses.get(pod.node)
        return loss is not None and now - loss.at < NOT_READY_AFTER

    def step(self, world: "World", now: float) -> None:
        """Do what is due: tell of nodes, move pods off them, start those that wait."""
        for name, loss in self.losses.items():
            self._miss(world, name, loss, now)
        for name, drain in self.drains.items():
            self._evict(world, name, drain, now)
        self._pull(world, now)
        if now < self._next:
            return
        self._next = now + _EVERY
        for one in tuple(self.waiting):
            if world.start_pod(one.deployment, now, one.name) is not None:
                self._waits_no_more(world, one, now)

    def _miss(self, world: "World", name: str, loss: Loss, now: float) -> None:
        if not loss.told and now - loss.at >= NOT_READY_AFTER:
            loss.told = True
            ill = f"{statements.NOT_READY} (NodeStatusUnknown)"
            kind, what = ("node", statements.LEFT) if loss.reclaimed else ("health", ill)
            world.note(Change(now, kind, node_entity(name), f"{name} {what}"))
        patience = NOT_READY_AFTER if loss.reclaimed else EVICTED_AFTER
        if not loss.evicted and now - loss.at >= patience:
            loss.evicted = True
            for pod in world.pods():
                if pod.node == name:
                    world.remove(pod)
                    self.ask(world, world.deployments[pod.pool.name], now)

    def _evict(self, world: "World", node: str, drain: Drain, now: float) -> None:
        if drain.fresh is not None and drain.fresh.stage is not Stage.READY:
            return
        there = [pod for pod in world.pods() if pod.node == node and pod.stage is Stage.READY]
        if not there or now < drain.next_at:
            return
        drain.next_at = now + drain.pause
        there[0].drain(now)
        drain.fresh = world.start_pod(world.deployments[there[0].pool.name], now)

    def _pull(self, world: "World", now: float) -> None:
        for pod in world.pods():
            why = self.unpullable.get(pod.pool.name)
            # a container that starts again finds its image where its first run left it
            if pod.stage is Stage.LOADING and not pod.restarts and why is not None:
                pod.since = now
                if pod.uid not in self._stuck:
                    self._stuck[pod.uid] = pod
                    server = pod.pool.server
                    image = f"ErrImagePull of registry.internal/{server}:{pod.version}"
                    what = f"{pod.name} {statements.CANNOT_START} {server}: {image}: {why}"
                    told = f"{pod.uid}/{server}/{pod.version}/ErrImagePull"
                    self._say(world, pod, what, told, now)
        for uid, pod in tuple(self._stuck.items()):
            if pod.stage is not Stage.LOADING or pod.pool.name not in self.unpullable:
                del self._stuck[uid]
                self._say(world, pod, f"{pod.name} {statements.CAN_START}", "", now)

    def _say(self, world: "World", pod: Pod, what: str, told: str, now: float) -> None:
        pool = pod.pool.id
        world.note(Change(now, "pending", pool_entity(pool), what, pool, told))

    def _waits_no_more(self, world: "World", one: Waiting, now: float) -> None:
        self.waiting.remove(one)
        pool = one.deployment.spec.id
        what = f"{one.name} {statements.NODE_FOUND}"
        told = f"{one.uid}/waited"
        world.note(Change(now, "pending", pool_entity(pool), what, pool, told))
