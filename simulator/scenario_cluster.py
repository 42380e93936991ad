"""A cluster as a scenario file writes it, checked for what hangs together, as settings."""

import dataclasses
from collections.abc import Sequence
from typing import Any

from simulator.adapters import AdapterUse
from simulator.agent_plans import AgentUse
from simulator.allowances import Allowance
from simulator.cluster import ClusterSpec, NodeSpec, PoolSpec, Scaling
from simulator.drafting import Drafting
from simulator.engine_model import EngineModel
from simulator.engine_presets import PRESETS
from simulator.gpus import GPU_KINDS
from simulator.guests import MEMORY
from simulator.kv_link import Prefill
from simulator.outside import PROVIDER
from simulator.scenario_shape import (
    ClusterShape,
    EngineShape,
    PoolShape,
    ProviderShape,
    RouteShape,
    TenantShape,
)
from simulator.traffic import Stream, Tenant, Window
from vocabulary.errors import ConfigError


def cluster_of(shape: ClusterShape) -> ClusterSpec:
    """The cluster that *shape* describes.

    Raises:
        ConfigError: Two things bear one name, a stream names nobody, or the GPUs do not suffice.
    """
    for kind, entries in (
        ("nodes", shape.nodes),
        ("pools", shape.pools),
        ("tenants", shape.tenants),
        ("agents", shape.agents),
    ):
        _demand_unique(kind, [one.name for one in entries])
    routes = (*shape.pools, *shape.providers)
    _demand_unique("providers", [one.name for one in routes], first=len(shape.pools))
    taken = [f"{one.name}-prefill" for one in shape.pools if one.prefill is not None]
    _demand_unique("pools", [*taken, *(one.name for one in shape.pools)], first=len(taken))
    _demand_unique("pools", [one.model for one in shape.pools], "model")
    _demand_unique("providers", [one.model for one in routes], "model", first=len(shape.pools))
    _demand_known(shape)
    _demand_room(shape)
    spec = ClusterSpec(
        nodes=tuple(
            NodeSpec(one.name, GPU_KINDS[one.gpu], one.count, one.shared) for one in shape.nodes
        ),
        pools=(
            *(_pool(f"cluster.pools[{i}]", one) for i, one in enumerate(shape.pools)),
            *(_provider(one) for one in shape.providers),
        ),
        tenants=tuple(_tenant(one) for one in shape.tenants),
        streams=tuple(
            Stream(one.tenant, one.pool, one.trace, one.rate, one.cached, one.voices)
            for one in shape.streams
        ),
        agents=tuple(AgentUse(**dict(one)) for one in shape.agents),
        budgets=tuple(Allowance(**dict(one)) for one in shape.budgets),
        name=shape.name,
    )
    return spec if shape.uptime is None else dataclasses.replace(spec, uptime=shape.uptime)


def _demand_unique(kind: str, names: Sequence[str], key: str = "name", first: int = 0) -> None:
    """That no name stands twice; those before *first* are of another list and are only taken."""
    for position, name in enumerate(names[first:]):
        if name in names[: first + position]:
            raise ConfigError(f"cluster.{kind}[{position}].{key}: {name!r} is taken; name another")


def _demand_known(shape: ClusterShape) -> None:
    """That whoever is named is there."""
    known = {
        "tenant": [one.name for one in shape.tenants],
        "pool": [one.name for one in (*shape.pools, *shape.providers)],
    }
    for kind, entries in (
        ("streams", shape.streams),
        ("agents", shape.agents),
        ("budgets", shape.budgets),
    ):
        for position, one in enumerate(entries):
            for field, names in known.items():
                _demand_one(f"{kind}[{position}].{field}", getattr(one, field, None), names, field)
    for kind, routes in (("pools", shape.pools), ("providers", shape.providers)):
        for position, route in enumerate(routes):
            others = [name for name in known["pool"] if name != route.name]
            for name in route.fallbacks:
                _demand_one(f"{kind}[{position}].fallbacks", name, others, "other pool")


def _demand_one(where: str, name: str | None, known: Sequence[str], what: str) -> None:
    if name is not None and name not in known:
        raise ConfigError(
            f"cluster.{where}: there is no {what} {name!r}; known: {', '.join(known)}"
        )


def _demand_room(shape: ClusterShape) -> None:
    """Place every replica as the simulator does: on the first node with enough free GPUs."""
    free = {one.name: one.count for one in shape.nodes}
    for position, pool in enumerate(shape.pools):
        shared = any(one.shared and one.gpu == pool.gpu for one in shape.nodes)
        if shared and pool.memory_share + MEMORY > 1.0:
            raise ConfigError(
                f"cluster.pools[{position}].memory_share: {pool.memory_share:g} leaves no room for "
                f"the {MEMORY:g} that the other slot of a shared GPU holds; take less"
            )
        fitting = [one.name for one in shape.nodes if one.gpu == pool.gpu]
        replicas = pool.replicas + (0 if pool.prefill is None else pool.prefill.replicas)
        for replica in range(replicas):
            node = next((one for one in fitting if free[one] >= pool.gpus_per_replica), None)
            if node is None:
                raise ConfigError(
                    f"cluster.pools[{position}].replicas: {replicas} replicas of "
                    f"{pool.gpus_per_replica} {pool.gpu} do not fit: after {replica} no node has "
                    f"{pool.gpus_per_replica} free; add nodes, or ask for fewer"
                )
            free[node] -= pool.gpus_per_replica


def _pool(where: str, shape: PoolShape) -> PoolSpec:
    scaling, drafting, adapters = shape.scaling, shape.drafting, shape.adapters
    engine = _engine(f"{where}.engine", shape.engine)
    return PoolSpec(
        server=shape.server,
        version=shape.version,
        gpu=GPU_KINDS[shape.gpu],
        gpus_per_replica=shape.gpus_per_replica,
        replicas=shape.replicas,
        engine=engine,
        memory_share=shape.memory_share,
        scaling=None if scaling is None else Scaling(**dict(scaling)),
        drafting=None if drafting is None else Drafting(**dict(drafting)),
        adapters=None if adapters is None else AdapterUse(**dict(adapters)),
        prefill=_prefill(where, shape, engine),
        **_route(shape),
    )


def _prefill(where: str, shape: PoolShape, engine: EngineModel) -> Prefill | None:
    if shape.prefill is None:
        return None
    if shape.server != "vllm":
        raise ConfigError(
            f"{where}.prefill: prompts are computed apart on vllm alone, not {shape.server}"
        )
    if not engine.token_bytes:
        raise ConfigError(f"{where}.engine: say `token_bytes`: KV cache has to cross a link")
    return Prefill(**dict(shape.prefill))


def _provider(shape: ProviderShape) -> PoolSpec:
    """A pool of nothing: of its engine and GPU only the longest prompt counts."""
    preset = next(iter(PRESETS.values()))
    return PoolSpec(
        server=PROVIDER,
        version="",
        gpu=next(iter(GPU_KINDS.values())),
        gpus_per_replica=0,
        replicas=0,
        engine=dataclasses.replace(preset, max_context=shape.context),
        **_route(shape),
    )


def _route(shape: RouteShape) -> dict[str, Any]:
    return {
        "name": shape.name,
        "model": shape.model,
        "usd_per_million_input": shape.usd_per_million.input,
        "usd_per_million_output": shape.usd_per_million.output,
        "usd_per_million_cached": shape.usd_per_million.cached,
        "timeout": shape.timeout,
        "retries": shape.retries,
        "fallbacks": shape.fallbacks,
    }


def _engine(where: str, shape: EngineShape) -> EngineModel:
    own = {name: value for name, value in shape if value is not None and name != "preset"}
    if shape.preset is not None:
        engine = dataclasses.replace(PRESETS[shape.preset], **own)
    else:
        missing = [
            one.name
            for one in dataclasses.fields(EngineModel)
            if one.name not in own and one.default is dataclasses.MISSING
        ]
        if missing:
            raise ConfigError(
                f"{where}: {missing[0]} is missing; give every figure, or a `preset`: "
                f"{', '.join(PRESETS)}"
            )
        engine = EngineModel(**own)
    if engine.base <= 0.0 or engine.per_prefill_token <= 0.0:
        raise ConfigError(f"{where}: base and per_prefill_token must be above zero seconds")
    if engine.kv_tokens < engine.max_context:
        raise ConfigError(
            f"{where}: kv_tokens ({engine.kv_tokens}) must hold the longest request, "
            f"max_context ({engine.max_context})"
        )
    return engine


def _tenant(shape: TenantShape) -> Tenant:
    window = shape.nightly
    nightly = None if window is None else Window(window.hour, window.lasts, window.factor)
    return Tenant(shape.name, shape.peak_hour, shape.swing, shape.weekend, nightly)
