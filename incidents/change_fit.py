"""Which kinds of change may bring about which failure modes: what is told of first.

Our judgement. What fits comes before what does not, what somebody did before what was merely seen
to happen, and then the nearest to the onset.
"""

from vocabulary import failure_modes as f
from vocabulary.entities import Change, EntityKind
from vocabulary.failure_modes import FailureMode
from vocabulary.incidents import NearbyChange

TRAFFIC = "traffic"
"""Kind of what callers changed: seen in their calls, and nobody's act upon the fleet."""

ACTS = frozenset({"rollout", "config", "model", "driver", "price"})
"""Kinds of change that are somebody's act wherever they are seen."""

_HARDWARE = frozenset(
    {f.STRAGGLER_GPU, f.GPU_LOST, f.GPU_MEMORY_FAULT, f.GPU_LINK_FAULT, f.GPU_THROTTLING}
)
"""What neither a rollout nor a price brings about, but a driver or a kernel may."""
_CALLERS = frozenset({f.TENANT_HOG, f.RUNAWAY_AGENT, f.LEAKED_KEY})
"""What callers bring about by themselves."""
_REFUSED = frozenset({f.RETRY_STORM, f.ERROR_BURST})
_MONEY = frozenset({f.SPEND_DATA_WRONG})
_BY_TRAFFIC = frozenset({"saturation", "latency", "throughput", "cost"})
"""Families of modes that other calls may bring about."""


def fits(change: Change | NearbyChange, mode: FailureMode) -> bool:
    """Whether a change of this kind may bring *mode* about."""
    if change.kind == "price":
        return mode.family == "cost" or mode in _MONEY
    if change.kind == TRAFFIC:
        return may_shift(mode)
    if mode in _HARDWARE:
        return change.kind == "driver" or (change.kind == "node" and "→" in change.what)
    if mode in _CALLERS:
        return False
    return change.kind != "driver" or mode.family != "cost"


def may_shift(mode: FailureMode) -> bool:
    """Whether other traffic may bring *mode* about."""
    return mode.family in _BY_TRAFFIC or mode in _REFUSED


def rank_of(change: NearbyChange, mode: FailureMode) -> tuple[bool, bool, float, bool, str, str]:
    """What to sort the changes near an incident of *mode* by, the likeliest first."""
    return (
        not fits(change, mode),
        change.kind not in ACTS,
        abs(change.offset_seconds),
        change.entity.kind is not EntityKind.TENANT,  # of one shift, who made it
        str(change.entity),
        change.what,
    )
