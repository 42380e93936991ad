"""A board that fails is one incident with the board on top, whatever else it makes fail."""

import pytest
from incident_scenes import Story, finding, gpu_of

import remediations
from vocabulary import failure_modes as f
from vocabulary.contracts import Remediation
from vocabulary.discovery import discover
from vocabulary.failure_modes import FailureMode


@pytest.mark.parametrize(
    "mode",
    [f.GPU_LOST, f.GPU_MEMORY_FAULT, f.GPU_LINK_FAULT, f.GPU_DRIVER_HANG],
    ids=str,
)
def test_a_faulty_gpu_explains_what_its_replica_and_its_driver_show(
    story: Story, mode: FailureMode
) -> None:
    first, *_ = story.world.add_pool()
    gpu = gpu_of(first)
    story.tick(
        finding(mode, gpu),
        finding(f.GPU_RECOVERY_NEEDED, gpu),
        finding(f.GPU_XID, gpu),
        finding(f.ENGINE_DEAD, first),
    )
    assert story.only().causes[0].failure_mode is mode


@pytest.mark.parametrize(
    ("mode", "cards"),
    [
        (f.GPU_LOST, "R01 R09 R10 R13"), (f.GPU_MEMORY_FAULT, "R01 R09 R13"),
        (f.GPU_LINK_FAULT, "R01 R09 R10 R13"), (f.GPU_DRIVER_HANG, "R09 R10"),
        (f.GPU_THROTTLING, "R04 R05 R13"), (f.COLLECTIVE_HANG, "R01 R02"),
        (f.GPU_XID, "R09 R13"), (f.GPU_RECOVERY_NEEDED, "R09 R10 R13"),
    ],
    ids=str,
)  # fmt: skip
def test_every_gpu_fault_has_its_cards(mode: FailureMode, cards: str) -> None:
    offered = {
        one.card for one in discover(remediations, Remediation).values() if mode in one.answers
    }
    assert set(cards.split()) <= offered
    if mode is f.GPU_THROTTLING:
        assert not offered & {"R02", "R10"}, "it heats up again wherever the fan is broken"


def test_a_collective_that_hangs_explains_the_stall(story: Story) -> None:
    first, *_ = story.world.add_pool()
    story.tick(finding(f.COLLECTIVE_HANG, first), finding(f.ENGINE_STALLED, first))
    assert story.only().causes[0].failure_mode is f.COLLECTIVE_HANG


def test_a_broken_link_explains_a_collective_that_hangs(story: Story) -> None:
    first, *_ = story.world.add_pool()
    story.tick(finding(f.GPU_LINK_FAULT, gpu_of(first)), finding(f.COLLECTIVE_HANG, first))
    assert story.only().causes[0].failure_mode is f.GPU_LINK_FAULT
