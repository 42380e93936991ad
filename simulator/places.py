"""Where a fault happens on a cluster that it was not written for.

Faults name pools, tenants and nodes of the demo. Elsewhere what held between those names must hold
between the chosen ones too: the tenant asks the pools that it is said to ask, and of two pools the
dear one is still the dear one. Among what is left the most alike is taken (the same kind of
server, a group of GPUs where there was one, several replicas), by lot where several are.
"""

import dataclasses
from collections.abc import Iterator, Mapping
from itertools import product
from typing import Any

import numpy as np

from simulator.cluster import DEMO, ClusterSpec, PoolSpec
from simulator.fault import Fault, options_of
from vocabulary.errors import NotFound

POOLS = ("pool", "to")
"""Fields of faults that name a pool; empty means every pool."""
TENANTS = ("tenant",)
NODES = ("node", "place")
_KINDS = {**dict.fromkeys(POOLS, "pool"), "tenant": "tenant", **dict.fromkeys(NODES, "node")}
Places = Mapping[str, str]


def names(spec: ClusterSpec, field: str) -> tuple[str, ...]:
    """What a place of this kind may be called in *spec*."""
    if field in POOLS:
        return tuple(pool.name for pool in spec.pools)
    if field in TENANTS:
        return tuple(tenant.name for tenant in spec.tenants)
    return tuple(node.name for node in spec.nodes)


def written_for(kind: type[Fault]) -> dict[str, tuple[str, ...]]:
    """The places of the demo that *kind* names: by field, the usual one and those drawn instead.

    A tenant that the demo does not have (a load test's) is nobody's place, nor is an empty name.
    """
    found = {}
    for one in dataclasses.fields(kind):  # type: ignore[arg-type]
        if one.name in (*POOLS, *TENANTS, *NODES) and one.default in names(DEMO, one.name):
            found[one.name] = (str(one.default), *options_of(one))
    return found


def fitted(kind: type[Fault], spec: ClusterSpec, rng: np.random.Generator) -> dict[str, str]:
    """The places that *kind* takes on *spec*, for `Fault.draw`; none when its own are all there.

    Raises:
        NotFound: Nothing on *spec* fits.
    """
    own = written_for(kind)
    if all(set(words) <= set(names(spec, field)) for field, words in own.items()):
        return {}
    model = {field: words[0] for field, words in own.items()}
    fitting = [
        one
        for one in _choices(list(own), spec)
        if not trouble(kind, one, spec) and _as_dear(one, spec, model)
    ]
    if not fitting:
        raise NotFound(
            f"{kind.failure_mode.code} does not fit the cluster {spec.name!r}: it needs "
            f"{' and '.join(f'a {field} like {name}' for field, name in model.items())}"
        )
    alike = [_likeness(one, spec, model) for one in fitting]
    best = [one for one, score in zip(fitting, alike, strict=True) if score == max(alike)]
    return dict(best[int(rng.integers(len(best)))])


def _choices(fields: list[str], spec: ClusterSpec) -> Iterator[dict[str, str]]:
    for chosen in product(*(names(spec, field) for field in fields)):
        yield dict(zip(fields, chosen, strict=True))


def trouble(kind: type[Fault], values: Mapping[str, Any], spec: ClusterSpec) -> str:
    """What is wrong with the places among *values* on *spec*; empty when nothing is."""
    given = {field: str(values[field]) for field in (*POOLS, *TENANTS, *NODES) if field in values}
    new = {"tenant"} - written_for(kind).keys()  # a tenant that must not be there yet
    for field, name in given.items():
        known = names(spec, field)
        if name and name not in known and field not in new:
            return (
                f"{field}: the cluster {spec.name!r} has no {_KINDS[field]} "
                f"{name!r}; say which of: {', '.join(known)}"
            )
    pools = [given[field] for field in POOLS if given.get(field)]
    return _trouble_of_pools(kind, pools, "" if new else given.get("tenant", ""), spec)


def _trouble_of_pools(kind: type[Fault], pools: list[str], tenant: str, spec: ClusterSpec) -> str:
    """As `trouble`, of *pools* that are there; *tenant* is whose calls it is about, or empty."""
    if len(set(pools)) < len(pools):
        return f"to: calls cannot move from {pools[0]} to itself; name another pool"
    asked = {(one.tenant, one.pool) for one in spec.streams}
    asked |= {(one.tenant, one.pool) for one in spec.agents}
    for pool in pools:
        if not (spec.pool(pool).replicas or kind.without_replicas):
            return f"pool: a provider serves {pool}, and no replica of ours; name another"
        if pool not in {at for _, at in asked}:
            return f"pool: no stream goes to {pool}, so that nothing would happen; add one"
        if tenant and (tenant, pool) not in asked:
            return f"tenant: {tenant} sends nothing to {pool}; add a stream, or name another"
    return ""


def _as_dear(places: Places, spec: ClusterSpec, model: Places) -> bool:
    """Whether calls move up or down in price as they do in the demo."""
    return "to" not in places or _dearer(spec, places) == _dearer(DEMO, model)


def _dearer(spec: ClusterSpec, places: Places) -> bool:
    return spec.pool(places["to"]).dearness > spec.pool(places["pool"]).dearness


def _likeness(places: Places, spec: ClusterSpec, model: Places) -> int:
    """How many traits the pools share with the demo's, and the nodes."""
    score = 0
    for field, name in places.items():
        if field in POOLS:
            here, there = _traits(spec.pool(name)), _traits(DEMO.pool(model[field]))
            score += sum(a == b for a, b in zip(here, there, strict=True))
        elif field in NODES:
            score += _grouped(spec, name) == _grouped(DEMO, model[field])
    return score


def _traits(pool: PoolSpec) -> tuple[bool, ...]:
    return pool.server == "vllm", pool.gpus_per_replica > 1, pool.replicas > 1


def _grouped(spec: ClusterSpec, node: str) -> bool:
    """Whether replicas that span several GPUs run on this kind of node."""
    gpu = next(one.gpu for one in spec.nodes if one.name == node)
    return any(pool.gpu == gpu and pool.gpus_per_replica > 1 for pool in spec.pools)
