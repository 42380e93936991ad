"""A cluster as a scenario file writes it, checked for what hangs together, as settings."""

import dataclasses
from collections.abc import Sequence

from simulator.cluster import ClusterSpec, NodeSpec, PoolSpec, Scaling
from simulator.engine_model import EngineModel
from simulator.engine_presets import PRESETS
from simulator.gpus import GPU_KINDS
from simulator.scenario_shape import ClusterShape, EngineShape, PoolShape, TenantShape
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
    ):
        _demand_unique(kind, [one.name for one in entries])
    _demand_unique("pools", [one.model for one in shape.pools], "model")
    _demand_known(shape)
    _demand_room(shape)
    spec = ClusterSpec(
        nodes=tuple(NodeSpec(one.name, GPU_KINDS[one.gpu], one.count) for one in shape.nodes),
        pools=tuple(_pool(f"cluster.pools[{i}]", one) for i, one in enumerate(shape.pools)),
        tenants=tuple(_tenant(one) for one in shape.tenants),
        streams=tuple(
            Stream(one.tenant, one.pool, one.trace, one.rate, one.cached, one.voices)
            for one in shape.streams
        ),
        name=shape.name,
    )
    return spec if shape.uptime is None else dataclasses.replace(spec, uptime=shape.uptime)


def _demand_unique(kind: str, names: Sequence[str], key: str = "name") -> None:
    for position, name in enumerate(names):
        if name in names[:position]:
            raise ConfigError(f"cluster.{kind}[{position}].{key}: {name!r} is taken; name another")


def _demand_known(shape: ClusterShape) -> None:
    known = {
        "tenant": [one.name for one in shape.tenants],
        "pool": [one.name for one in shape.pools],
    }
    for position, one in enumerate(shape.streams):
        for field, names in known.items():
            name = getattr(one, field)
            if name not in names:
                raise ConfigError(
                    f"cluster.streams[{position}].{field}: there is no {field} {name!r}; "
                    f"known: {', '.join(names)}"
                )


def _demand_room(shape: ClusterShape) -> None:
    """Place every replica as the simulator does: on the first node with enough free GPUs."""
    free = {one.name: one.count for one in shape.nodes}
    for position, pool in enumerate(shape.pools):
        fitting = [one.name for one in shape.nodes if one.gpu == pool.gpu]
        for replica in range(pool.replicas):
            node = next((one for one in fitting if free[one] >= pool.gpus_per_replica), None)
            if node is None:
                raise ConfigError(
                    f"cluster.pools[{position}].replicas: {pool.replicas} replicas of "
                    f"{pool.gpus_per_replica} {pool.gpu} do not fit: after {replica} no node has "
                    f"{pool.gpus_per_replica} free; add nodes, or ask for fewer"
                )
            free[node] -= pool.gpus_per_replica


def _pool(where: str, shape: PoolShape) -> PoolSpec:
    scaling = shape.scaling
    return PoolSpec(
        name=shape.name,
        server=shape.server,
        model=shape.model,
        version=shape.version,
        gpu=GPU_KINDS[shape.gpu],
        gpus_per_replica=shape.gpus_per_replica,
        replicas=shape.replicas,
        engine=_engine(f"{where}.engine", shape.engine),
        usd_per_million_input=shape.usd_per_million.input,
        usd_per_million_output=shape.usd_per_million.output,
        usd_per_million_cached=shape.usd_per_million.cached,
        scaling=None if scaling is None else Scaling(**dict(scaling)),
        timeout=shape.timeout,
        retries=shape.retries,
    )


def _engine(where: str, shape: EngineShape) -> EngineModel:
    own = {name: value for name, value in shape if value is not None and name != "preset"}
    if shape.preset is not None:
        engine = dataclasses.replace(PRESETS[shape.preset], **own)
    else:
        missing = [one.name for one in dataclasses.fields(EngineModel) if one.name not in own]
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
