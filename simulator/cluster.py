"""What the simulated cluster is made of: nodes, pools, tenants and their streams, as settings."""

from dataclasses import dataclass, field, replace
from decimal import Decimal

import numpy as np

from simulator.adapters import AdapterUse
from simulator.agent_plans import AgentUse
from simulator.allowances import Allowance
from simulator.drafting import Drafting
from simulator.engine_model import EngineModel
from simulator.engine_presets import PRESETS
from simulator.gpus import H100, L4, L40S, GpuModel, GpuPlace
from simulator.guests import Guest
from simulator.kv_link import Prefill
from simulator.traffic import Stream, Tenant

NAMESPACE = "serving"


@dataclass(frozen=True, slots=True)
class NodeSpec:
    """One machine."""

    name: str
    gpu: GpuModel
    gpus: int
    shared: bool = False
    """Whether each GPU is given out in two slots by time slicing, the other to a notebook."""


@dataclass(frozen=True, slots=True)
class Scaling:
    """A horizontal autoscaler with the lag that real ones have."""

    most: int
    """Most replicas."""
    target: float
    """Requests running and waiting per replica that it aims at."""
    patience: float = 280.0
    """Seconds a need must last before a replica is added. With the load time of the weights this
    gives the 90 to 970 s that autoscaled LLM serving is reported to lag."""
    cooldown: float = 900.0
    """Seconds a surplus must last before one is taken away."""


@dataclass(frozen=True, slots=True)
class PoolSpec:
    """The replicas of one model behind one route."""

    name: str
    server: str
    """One of `simulator.pages.servers.SERVERS`."""
    model: str
    version: str
    gpu: GpuModel
    gpus_per_replica: int
    replicas: int
    engine: EngineModel
    usd_per_million_input: Decimal
    usd_per_million_output: Decimal
    usd_per_million_cached: Decimal
    scaling: Scaling | None = None
    timeout: float = 120.0
    """Seconds the gateway waits for an answer."""
    retries: int = 2
    """How often the gateway tries again."""
    drafting: Drafting | None = None
    """How its engines speculate; None where they do not."""
    adapters: AdapterUse | None = None
    """LoRA adapters that its callers name; None where they name none."""
    prefill: Prefill | None = None
    """Replicas apart that compute its prompts; None where every replica does both."""
    memory_share: float = 0.93
    """Share of its GPUs' memory that a replica takes."""
    serves: str = ""
    """Pool whose prompts these replicas compute; empty for those that the gateway calls."""
    lease: float = 0.0
    """Seconds for which they keep a prompt that nobody fetches any more."""
    fallbacks: tuple[str, ...] = ()
    """Pools that the gateway asks, one after the other, for calls that failed here for good."""

    @property
    def id(self) -> str:
        """`namespace/name`: the pool's entity id and the value of its `pool` label."""
        return f"{NAMESPACE}/{self.name}"

    @property
    def before(self) -> "PoolSpec | None":
        """The replicas that compute its prompts, a deployment of their own."""
        if self.prefill is None:
            return None
        return replace(
            self, name=f"{self.name}-prefill", replicas=self.prefill.replicas, scaling=None,
            drafting=None, prefill=None, serves=self.name, lease=self.prefill.lease,
        )  # fmt: skip

    @property
    def dearness(self) -> Decimal:
        """Price of a million tokens, half of them answers: what pools are compared by."""
        return (self.usd_per_million_input + self.usd_per_million_output) / 2


@dataclass(frozen=True, slots=True)
class ClusterSpec:
    """Everything that is decided before the first second."""

    nodes: tuple[NodeSpec, ...]
    pools: tuple[PoolSpec, ...]
    tenants: tuple[Tenant, ...]
    streams: tuple[Stream, ...]
    agents: tuple[AgentUse, ...] = ()
    budgets: tuple[Allowance, ...] = ()
    name: str = "demo"
    uptime: float = 16 * 86_400.0
    """Seconds that every process has been up at the start."""
    warm_up: float = 300.0
    """Seconds simulated before the start, so that it begins in the middle of a day's work."""
    tick: float = field(default=0.5)
    """Seconds between looks at routing, time-outs, GPUs and controllers."""

    @property
    def deployed(self) -> tuple[PoolSpec, ...]:
        """Every group of replicas that Kubernetes keeps, those that compute prompts first."""
        return tuple(one for pool in self.pools for one in (pool.before, pool) if one is not None)

    def pool(self, name: str) -> PoolSpec:
        """The pool called *name*.

        Raises:
            KeyError: There is none.
        """
        for pool in self.pools:
            if pool.name == name:
                return pool
        raise KeyError(name)


_CHAT = PRESETS["70b-fp8-2xh100"]
_CODE = PRESETS["8b-bf16-l40s"]
_EDGE = PRESETS["3b-q4-l4"]

DEMO = ClusterSpec(
    nodes=(
        NodeSpec("gpu-h100-1", H100, 8),
        NodeSpec("gpu-l40s-1", L40S, 4),
        NodeSpec("gpu-l4-1", L4, 2),
    ),
    pools=(
        PoolSpec(
            "chat-70b", "vllm", "chat-70b", "0.32.0", H100, 2, 3, _CHAT,
            Decimal("0.60"), Decimal("1.80"), Decimal("0.15"),
            scaling=Scaling(most=4, target=24.0),
        ),
        PoolSpec(
            "code-8b", "vllm", "code-8b", "0.32.0", L40S, 1, 3, _CODE,
            Decimal("0.10"), Decimal("0.30"), Decimal("0.025"),
        ),
        PoolSpec(
            "edge-3b", "llamacpp", "edge-3b", "b6423", L4, 1, 2, _EDGE,
            Decimal("0.04"), Decimal("0.12"), Decimal("0.01"),
        ),
    ),
    tenants=(
        Tenant("search", peak_hour=15.0, swing=0.35, weekend=0.8),
        Tenant("support-bot", peak_hour=14.0, swing=0.45, weekend=0.6),
        Tenant("code-assist", peak_hour=13.0, swing=0.5, weekend=0.45),
        Tenant("batch-eval", peak_hour=3.0, swing=0.2, weekend=1.0),
    ),
    streams=(
        Stream("search", "chat-70b", "long_context", 0.24, cached=0.55),
        Stream("support-bot", "chat-70b", "conversation", 1.5, cached=0.25),
        Stream("code-assist", "chat-70b", "conversation", 0.2, cached=0.2),
        Stream("code-assist", "code-8b", "code", 2.4, cached=0.35, voices=6),
        Stream("support-bot", "code-8b", "conversation", 0.6, cached=0.25),
        Stream("support-bot", "edge-3b", "conversation", 0.5, cached=0.1),
        Stream("batch-eval", "code-8b", "conversation", 0.35, cached=0.05),
    ),
)  # fmt: skip
"""The cluster of the demo: 14 GPUs, 8 replicas, four tenants, one gateway."""


def longest_prompts(spec: ClusterSpec) -> dict[str, int]:
    """By pool: prompts that leave a tenth of the context for the answer."""
    return {pool.name: int(pool.engine.max_context * 0.9) for pool in spec.pools}


def guests_of(spec: ClusterSpec, seed: int) -> dict[int, Guest]:
    """By position of the GPU: who holds the other slot of those that are shared."""
    letters = np.random.default_rng([seed, 8])
    found, position = {}, 0
    for node in spec.nodes:
        for index in range(node.gpus):
            if node.shared:
                text = letters.bytes(16).hex()
                uid = f"{text[:8]}-{text[8:12]}-4{text[13:16]}-a{text[17:20]}-{text[20:]}"
                rng = np.random.default_rng([seed, 8, position])
                found[position] = Guest(f"notebook-{node.name}-{index}", uid, rng)
            position += 1
    return found


def gpu_places(spec: ClusterSpec, seed: int) -> tuple[GpuPlace, ...]:
    """Every GPU of the cluster, with uuids that only depend on *seed*."""
    letters = np.random.default_rng([seed, 4])
    places = []
    for node in spec.nodes:
        for index in range(node.gpus):
            text = letters.bytes(16).hex()
            uuid = f"GPU-{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"
            places.append(GpuPlace(uuid, node.name, index, node.gpu))
    return tuple(places)
