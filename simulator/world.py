"""The simulated cluster: one seed, one time that only moves when it is told to.

Everything downstream reads it through pages, NVML and Kubernetes' feed of changes, as it would
read a real one.
"""

import threading
from collections.abc import Sequence

import numpy as np

from fleet.identity import pod_replica_id
from fleet.identity import pool as pool_entity
from fleet.identity import replica as replica_entity
from simulator.ageing import age
from simulator.cluster import DEMO, NAMESPACE, ClusterSpec, gpu_places, guests_of
from simulator.cluster_traffic import traffic_of
from simulator.controllers import Autoscaler, Deployment, Rollout
from simulator.engine_model import EngineModel
from simulator.fault import Fault, Injection
from simulator.gateway import Gateway
from simulator.gpus import GpuBank
from simulator.handover import Handover
from simulator.holdings import Allocation, Holdings
from simulator.nvml import SimulatedNvml
from simulator.outside import Outside
from simulator.pages import litellm
from simulator.pages.text import Writer
from simulator.pods import Nursery, Pod, Stage
from simulator.routing import Backend
from simulator.scheduling import Scheduling
from simulator.sight import Door, Sight
from vocabulary.entities import Change, Entity
from vocabulary.errors import SourceDown, SourceHung
from vocabulary.samples import Labels, labels_of

GATEWAY_VERSION = "1.106.2"
GATEWAY_NODE = "cpu-1"
"""A machine without GPUs."""


class World:
    """A cluster that runs from *start* on; see `simulator.cluster` for what it is made of."""

    def __init__(self, seed: int, start: float, spec: ClusterSpec = DEMO) -> None:
        self.seed = seed
        self.start = start
        self.spec = spec
        self.now = start - spec.warm_up
        self.lock = threading.RLock()
        """Held while time moves or a page is written; take it to look at several things at once."""
        self.addresses: tuple[str, ...] = ("",)
        """Endings of the addresses at which every page is listed: two while one scraper takes over
        from another."""
        self.scraping = True
        """False while whoever collects is down or cut off; the world itself goes on."""
        self.injections: list[Injection] = []
        self._rng = np.random.default_rng([seed, 1])
        self._nursery = Nursery(np.random.default_rng([seed, 2]))
        self._changes: list[Change] = []
        self._rollouts: list[Rollout] = []
        self.scheduling = Scheduling()
        self.sight = Sight()
        self.outside = Outside(spec, seed)
        self.bank = GpuBank(
            gpu_places(spec, seed),
            np.random.default_rng([seed, 3]),
            guests=guests_of(spec, seed),
        )
        self.holdings = Holdings(self.bank, self.now)
        self.traffic = traffic_of(spec, seed)
        self.deployments = {
            pool.name: Deployment(
                pool, pool.replicas, self._nursery.letters(9), pool.version, pool.model, pool.engine
            )
            for pool in spec.deployed
        }
        self._autoscalers = [Autoscaler(one) for one in self.deployments.values()]
        self._pods: list[Pod] = []
        self._handover = Handover.of(spec.pools, self._routable)
        self.gateway = Gateway(
            {pool.name: pool for pool in spec.pools},
            self.outside.beside(self._takers),
            self.now - spec.uptime,
            spec.budgets,
        )
        self.gateway_id = pod_replica_id(spec.name, NAMESPACE, self._nursery.uid(), "litellm")
        self.gateway_name = f"litellm-{self._nursery.letters(9)}-{self._nursery.letters(5)}"
        self._gateway_writer = Writer("litellm")
        self._settle_in()

    # -- time ------------------------------------------------------------------------------------

    def advance(self, to: float) -> None:
        """Let time pass until *to* (Unix seconds); nothing happens when it lies in the past."""
        with self.lock:
            while self.now + self.spec.tick <= to:
                self._tick(self.now, self.now + self.spec.tick)
                self.now += self.spec.tick

    def _tick(self, start: float, end: float) -> None:
        for injection in self.injections:
            injection.step(self, start)
        for deployment_rollout in self._rollouts:
            deployment_rollout.step(self, start)
        self.scheduling.step(self, start)
        self.gateway.step(self.traffic.until(start, end), end)
        for pod in self._handover.in_order(self._pods):
            self.gateway.settle(self._handover.deliver(pod, end))
            if self.scheduling.silent(pod.node):
                self.gateway.settle(self._handover.settle(pod, end))
                continue
            if pod.answers:
                pod.engine.pace = self.bank.pace(pod.gpus)
                pod.engine.advance(end)
            self._live(pod, end)
            self.gateway.settle(self._handover.settle(pod, end))
        self.outside.settle(self.gateway, end)
        self.gateway.time_out(end)
        for autoscaler in self._autoscalers:
            autoscaler.step(self, end)
        self._pods = [pod for pod in self._pods if pod.stage is not Stage.GONE]
        self._rollouts = [one for one in self._rollouts if not one.done]
        self.holdings.work(self._pods, end, end - start)

    def _live(self, pod: Pod, now: float) -> None:
        before, restarts, kills = pod.stage, pod.restarts, pod.probe_kills
        pod.step(now)
        if pod.probe_kills != kills:
            what = f"liveness probe of {pod.pool.server} failed: its node kills the container"
            self.note(Change(now, "probe", self.replica(pod), what))
        if pod.restarts != restarts:
            self.note(
                Change(
                    now, "restart", self.replica(pod),
                    f"container {pod.pool.server} restarted ({pod.restarts}. time)", pod.pool.id,
                )
            )  # fmt: skip
        if pod.stage is not before:
            self.holdings.fill(pod)

    # -- what outsiders see ----------------------------------------------------------------------

    def targets(self) -> list[Door]:
        """Every page that discovery lists now, the gateway's last."""
        with self.lock:
            labels = {
                "cluster": self.spec.name,
                "namespace": NAMESPACE,
                "pod": self.gateway_name,
                "replica": self.gateway_id,
                "node": GATEWAY_NODE,
                "version": GATEWAY_VERSION,
            }
            doors = [
                *self.sight.doors(self, self._pods),
                Door(self.gateway_name, f"/{self.gateway_name}/metrics/", labels_of(labels)),
            ]
            return [door._replace(path=door.path + at) for at in self.addresses for door in doors]

    def page(self, name: str) -> bytes:
        """What the page of target *name* answers now.

        Raises:
            SourceDown: Nobody listens there.
            SourceHung: The connection is taken and nothing comes.
        """
        with self.lock:
            if name == self.gateway_name:
                return litellm.render(self._gateway_writer, self.gateway, self.now)
            pod = next((one for one in self._pods if one.name == name), None)
            walled = pod is not None and pod.pool.name in self.sight.walled
            if pod is None or not pod.answers or walled:
                raise SourceDown(f"{name} refused the connection; its process does not listen")
            if pod.hangs:
                raise SourceHung(f"{name} took the connection and does not answer")
            return pod.page(self.now)

    def writer(self, name: str) -> Writer | None:
        """Who writes the page of target *name*; None when there is no such target."""
        if name == self.gateway_name:
            return self._gateway_writer
        return next((one.writer for one in self._pods if one.name == name), None)

    def nvml(self, node: str = "") -> SimulatedNvml:
        """A module like `pynvml` that sees the GPUs of *node*, or of every node."""
        return self.holdings.nvml(node)

    def gpu_allocations(self) -> list[Allocation]:
        """Which replica holds which GPU, of nodes whose kubelet answers."""
        with self.lock:
            return [
                one
                for pod in self._pods
                if not self.scheduling.silent(pod.node)
                for one in self.holdings.held(pod, self.labels(pod))
            ] + [
                one
                for one in self.holdings.visitors(self.spec.name)
                if not self.scheduling.silent(one.node)
            ]

    def changes(self, since: float) -> list[Change]:
        """What was done to the cluster after *since*, oldest first."""
        with self.lock:
            return [change for change in self._changes if change.at > since]

    def labels(self, pod: Pod) -> Labels:
        """Identity labels of a pod."""
        return labels_of(
            {
                "cluster": self.spec.name,
                "namespace": NAMESPACE,
                "pod": pod.name,
                "pool": pod.pool.id,
                "replica": pod.replica_id(self.spec.name),
                "node": pod.node,
                "version": pod.version,
                "model": pod.model,
            }
        )

    # -- levers ----------------------------------------------------------------------------------

    def inject(self, fault: Fault, at: float | None = None) -> Injection:
        """Let *fault* happen at *at*, or now."""
        with self.lock:
            moment = self.now if at is None else at
            rng = np.random.default_rng([self.seed, 7, len(self.injections)])
            injection = Injection(fault, moment, rng)
            self.injections.append(injection)
            return injection

    def pods(self, pool: str = "") -> list[Pod]:
        """Pods of *pool* (of all pools), oldest first."""
        return [pod for pod in self._pods if pool in ("", pod.pool.name)]

    def pod_of(self, replica_id: str) -> Pod | None:
        """The pod with this entity id, while it lives."""
        for pod in self._pods:
            if pod.replica_id(self.spec.name) == replica_id:
                return pod
        return None

    def replica(self, pod: Pod) -> Entity:
        """A pod as an entity."""
        return replica_entity(pod.replica_id(self.spec.name), pod.name)

    def note(self, change: Change) -> None:
        """Add to the feed of changes."""
        self._changes.append(change)

    def scale(self, pool: str, replicas: int, now: float) -> None:
        """Change how many replicas a pool has, and say so."""
        deployment = self.deployments[pool]
        before, deployment.replicas = deployment.replicas, replicas
        if replicas > before:
            for _ in range(replicas - before):
                self.scheduling.ask(self, deployment, now)
        else:
            many = before - replicas - self.scheduling.give_up(self, pool, before - replicas, now)
            ready = [pod for pod in self.pods(pool) if pod.stage is Stage.READY]
            loading = [pod for pod in self.pods(pool) if pod.stage is Stage.LOADING]
            for pod in [*ready, *loading][::-1][:many]:  # Kubernetes takes the unready first
                pod.drain(now)
        what = f"replicas {before} → {replicas}"
        spec = deployment.spec
        self.note(Change(now, "scale", pool_entity(spec.id), what, spec.id))

    def rollout(
        self,
        pool: str,
        version: str,
        *,
        slowdown: float = 1.0,
        pause: float = 60.0,
        model: str = "",
        speed: EngineModel | None = None,
    ) -> Rollout:
        """Replace a pool's pods by those of a new revision, one by one, and say so."""
        deployment = self.deployments[pool]
        spec = deployment.spec
        kind, what = "rollout", f"image {spec.server} {deployment.version} → {version}"
        if model and model != deployment.model:
            kind, what = "model", f"model {deployment.model} → {model}"
        deployment.revision = self._nursery.letters(9)
        deployment.version, deployment.slowdown = version, slowdown
        deployment.model = model or deployment.model
        deployment.speed = speed or deployment.speed
        started = Rollout(deployment, self.pods(pool), pause)
        self._rollouts.append(started)
        self.note(Change(self.now, kind, pool_entity(spec.id), what, spec.id))
        return started

    def start_pod(self, deployment: Deployment, now: float, name: str = "") -> Pod | None:
        """Start one more pod; None when no node has the GPUs for it."""
        spec = deployment.spec
        found = self.holdings.free(
            self.spec.nodes, self.scheduling, spec.gpu.name, spec.gpus_per_replica
        )
        if found is None:
            return None
        node, gpus = found
        pod = self._nursery.pod(
            spec, deployment.revision, deployment.version, deployment.model, deployment.speed,
            node, gpus, now,
        )  # fmt: skip
        pod.name = name or pod.name
        pod.writer.renamed = self.sight.names.get(deployment.version, {})
        pod.engine.slowdown = deployment.slowdown
        pod.load_factor = deployment.load_factor
        self.holdings.take(pod)
        self._pods.append(pod)
        return pod

    def next_name(self, deployment: Deployment) -> tuple[str, str]:
        """Name and uid of a pod that waits for a node."""
        name = f"{deployment.spec.name}-{deployment.revision}-{self._nursery.letters(5)}"
        return name, self._nursery.uid()

    def remove(self, pod: Pod) -> None:
        """Take a pod away at once, and give its GPUs back."""
        pod.engine.lose_everything(self.now)
        self.gateway.settle(self._handover.settle(pod, self.now))
        pod.stage = Stage.GONE
        self.holdings.fill(pod)

    # -- beginnings ------------------------------------------------------------------------------

    def _settle_in(self) -> None:
        """Run long enough that requests are in flight, then look as old as the uptime says."""
        for deployment in self.deployments.values():
            for _ in range(deployment.replicas):
                pod = self.start_pod(deployment, self.now)
                if pod is not None:
                    pod.stage = Stage.READY
                    self.holdings.fill(pod)
        autoscalers, self._autoscalers = self._autoscalers, []
        self.advance(self.start)
        self.now = self.start
        self._autoscalers = autoscalers
        age(self._pods, self.gateway, self.traffic, spec=self.spec, start=self.start)

    def _takers(self, pool: str) -> Sequence[Backend]:
        return self._handover.takers(pool, self._routable(pool))

    def _routable(self, pool: str) -> list[Pod]:
        return [
            pod
            for pod in self.pods(pool)
            if pod.routed(self.now) or self.scheduling.still_routed(pod, self.now)
        ]
