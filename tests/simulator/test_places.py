"""Faults on clusters that they were not written for."""

import dataclasses

import numpy as np
import pytest

from simulator.cluster import DEMO
from simulator.clusters import CLUSTERS, HELD_OUT, prices
from simulator.fault import Fault
from simulator.fault_shapes import kinds
from simulator.faults.dear_model_mix import DearModelMix
from simulator.faults.engine_stalled import EngineStalled
from simulator.faults.router_down import RouterDown
from simulator.faults.runaway_agent import RunawayAgent
from simulator.faults.straggler_gpu import StragglerGpu
from simulator.look_alikes.load_test import LoadTest
from simulator.places import fitted, trouble, written_for
from vocabulary.errors import NotFound


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


@pytest.mark.parametrize("kind", kinds().values(), ids=list(kinds()))
@pytest.mark.parametrize("name", list(CLUSTERS))
def test_every_fault_and_look_alike_fits_every_cluster(kind: type[Fault], name: str) -> None:
    if kind.only_on not in ("", name):
        return  # and there alone
    fault = kind.draw(rng(), **fitted(kind, CLUSTERS[name], rng()))
    values = {one.name: getattr(fault, one.name) for one in dataclasses.fields(fault)}  # type: ignore[arg-type]
    assert trouble(kind, values, CLUSTERS[name]) == ""


@pytest.mark.parametrize("kind", kinds().values(), ids=list(kinds()))
def test_on_the_demo_nothing_is_moved(kind: type[Fault]) -> None:
    assert fitted(kind, DEMO, rng()) == {}


def test_a_group_of_gpus_is_sought_where_the_fault_had_one() -> None:
    for seed in range(5):
        pool = fitted(StragglerGpu, HELD_OUT, rng(seed))["pool"]
        assert HELD_OUT.pool(pool).gpus_per_replica > 1


def test_the_dear_pool_stays_the_dear_one_and_the_tenant_asks_both() -> None:
    found = fitted(DearModelMix, HELD_OUT, rng())
    assert HELD_OUT.pool(found["to"]).dearness > HELD_OUT.pool(found["pool"]).dearness
    asked = {one.pool for one in HELD_OUT.streams if one.tenant == found["tenant"]}
    assert {found["pool"], found["to"]} <= asked


def test_several_tenants_are_taken_by_lot() -> None:
    tenants = {fitted(RunawayAgent, HELD_OUT, rng(seed))["tenant"] for seed in range(12)}
    assert len(tenants) > 1


def test_a_tenant_that_must_be_new_is_left_alone() -> None:
    assert "tenant" not in written_for(LoadTest)
    assert "tenant" not in fitted(LoadTest, HELD_OUT, rng())


def test_a_cluster_on_which_nothing_fits_says_what_is_missing() -> None:
    lone = dataclasses.replace(HELD_OUT, pools=HELD_OUT.pools[:1], streams=HELD_OUT.streams[:1])
    with pytest.raises(
        NotFound, match=r"F36 does not fit the cluster 'held-out'.*to like chat-70b"
    ):
        fitted(DearModelMix, lone, rng())
    assert fitted(EngineStalled, lone, rng()) == {"pool": "assist-123b"}


def test_every_model_of_a_cluster_has_a_price() -> None:
    assert set(prices(HELD_OUT)) == {pool.model for pool in HELD_OUT.pools}
    assert prices(HELD_OUT)["coder-14b"]["input"] == "0.16"


def test_what_happens_to_replicas_happens_to_no_provider() -> None:
    told = trouble(StragglerGpu, {"pool": "frontier"}, CLUSTERS["hosted"])
    assert told == "pool: a provider serves frontier, and no replica of ours; name another"
    assert trouble(RouterDown, {"pool": "frontier"}, CLUSTERS["hosted"]) == ""
