"""The memory roofline: the formula, and absence wherever an input is not known."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scene_builder import World
from simulated_cluster import SimulatedCluster

from fleet import identity
from fleet.roofline import Roofline, bandwidth
from vocabulary import metrics as m
from vocabulary import signals
from vocabulary.entities import Gpu, Replica, ReplicaState
from vocabulary.expressions import Last, Signal

SIZE = {"llama-70b": 141e9}


def group(count: int = 4, product: str = "NVIDIA H100 80GB HBM3") -> tuple[Replica, dict[str, Gpu]]:
    names = tuple(f"GPU-{index}" for index in range(count))
    gpus = {one: Gpu(identity.gpu(one), "n1", index, product) for index, one in enumerate(names)}
    about = Replica(
        identity.replica("a"), "chat", "llama-70b", "vllm", ReplicaState.SERVING, 0.0, ""
    )
    return replace(about, gpus=names), gpus


def test_a_group_reads_its_weights_together() -> None:
    replica, gpus = group(4)
    assert Roofline(SIZE).ceiling(replica, gpus, None) == pytest.approx(4 * 3350e9 / 141e9)


def test_kv_in_use_is_read_too() -> None:
    replica, gpus = group(1)
    model = Roofline(SIZE, {"llama-70b": 327_680.0})
    assert model.ceiling(replica, gpus, 100_000.0) == pytest.approx(3350e9 / (141e9 + 32.768e9))
    assert model.ceiling(replica, gpus, None) == pytest.approx(3350e9 / 141e9)


@given(tokens=st.floats(0, 1e7), weights=st.floats(1e6, 1e12))
def test_more_to_read_never_makes_it_faster(tokens: float, weights: float) -> None:
    replica, gpus = group(2)
    model = Roofline({"llama-70b": weights}, {"llama-70b": 1e5})
    most, less = model.ceiling(replica, gpus, 0.0), model.ceiling(replica, gpus, tokens)
    assert most is not None
    assert less is not None
    assert 0.0 < less <= most


def test_what_is_not_known_makes_it_absent() -> None:
    replica, gpus = group()
    assert Roofline({}).ceiling(replica, gpus, 5.0) is None, "weights"
    assert Roofline(SIZE).ceiling(replica, {}, 5.0) is None, "its GPUs' kind"
    assert Roofline(SIZE).ceiling(replace(replica, gpus=()), gpus, 5.0) is None, "which GPUs"
    strange, kinds = group(product="Graphics Device")
    assert Roofline(SIZE).ceiling(strange, kinds, 5.0) is None, "a kind of GPU that is new"


@pytest.mark.parametrize(
    ("product", "gigabytes"),
    [("NVIDIA H100 80GB HBM3", 3350), ("NVIDIA H100 PCIe", 2000), ("NVIDIA H100 NVL", 3900),
     ("NVIDIA H200", 4800), ("NVIDIA A100-SXM4-80GB", 2039), ("NVIDIA A100 80GB PCIe", 1935),
     ("NVIDIA A100-SXM4-40GB", 1555), ("NVIDIA L40S", 864), ("NVIDIA L4", 300), ("Tesla T4", 300),
     ("NVIDIA A10G", 600)],
)  # fmt: skip
def test_gpus_are_known_by_the_name_nvml_gives_them(product: str, gigabytes: float) -> None:
    assert bandwidth(product) == gigabytes * 1e9


@pytest.mark.parametrize("product", ["", "NVIDIA H100x", "NVIDIA A100", "GeForce"])
def test_a_name_that_fits_nothing_is_not_known(product: str) -> None:
    assert bandwidth(product) is None


@pytest.mark.parametrize("wrong", [0, -1, "many", None, float("nan"), float("inf")])
def test_a_size_that_is_none_is_refused_by_name(wrong: object) -> None:
    with pytest.raises(ValueError, match="weight_bytes: llama-70b"):
        Roofline({"llama-70b": wrong})  # type: ignore[dict-item]


def test_nothing_is_said_of_models_without_a_size() -> None:
    world = World().replica("a").gpu("GPU-a", "a")
    assert list(Roofline().samples(world.scene())) == []
    assert list(Roofline({"other": 1e9}).samples(world.scene())) == []


def test_the_share_reached_comes_out_of_the_store_beside_the_steps(tmp_path: Path) -> None:
    """Of the simulated cluster, with a model of 70 billion weights of one byte."""
    simulated = SimulatedCluster(tmp_path)
    pod = simulated.world.pods("chat-70b")[0]
    model = Roofline({pod.model: 70e9}, {pod.model: 163_840.0})
    simulated.pipeline.derive = model.samples
    simulated.pipeline.record = simulated.store.append
    simulated.run(300.0)
    end = simulated.now
    seen = simulated.store.evaluate(signals.MEMORY_ROOFLINE, end - 60.0, end, 15.0)
    shares = seen.values[:, -1]
    assert len(seen.labels) == len(simulated.world.pods("chat-70b")), "and of no other model"
    assert np.all((shares > 0.0) & (shares < 1.0))
    one = Signal("x", "", "", Last(m.DECODE_STEP_CEILING))
    most = simulated.store.evaluate(one, end - 60.0, end, 15.0).values[:, -1]
    assert np.all(most < 4 * 3350e9 / 70e9)
    simulated.close()
