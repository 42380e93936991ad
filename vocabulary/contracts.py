"""The contracts of the plugin rooms, one verb each, and the narrow seams to the world outside."""

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from types import MappingProxyType
from typing import Any, ClassVar, Protocol

from vocabulary.actions import Action
from vocabulary.failure_modes import FailureMode
from vocabulary.findings import Finding
from vocabulary.incidents import Incident
from vocabulary.metrics import Metric
from vocabulary.pods import OfferedDevice, Pod
from vocabulary.samples import Labels, Sample
from vocabulary.scene import Scene, Watch


class Clock(Protocol):
    """Time as an argument. `now` is event time; `monotonic` measures durations."""

    def now(self) -> float:
        """Unix seconds UTC."""
        ...

    def monotonic(self) -> float:
        """Seconds from an arbitrary start that never goes back."""
        ...

    def sleep(self, seconds: float) -> None:
        """Return after *seconds* of this clock's time."""
        ...


@dataclass(frozen=True, slots=True)
class Page:
    """What a target answered."""

    body: bytes
    content_type: str
    status: int
    seconds: float


class Reach(Protocol):
    """The world outside as a collector may touch it; drills and tests give another one."""

    def get(self, url: str, headers: Mapping[str, str], timeout_seconds: float) -> Page:
        """Fetch *url* within limits, following no redirect to another host.

        Raises:
            SourceError: The named state the target is in.
        """
        ...

    @property
    def nvml(self) -> Any:
        """A module with nvidia-ml-py's `pynvml` interface."""
        ...

    @property
    def pods(self) -> Sequence[Pod]:
        """Pods of this node; none where no Kubernetes tells."""
        ...

    def offered(self, driver: str, pool: str, device: str) -> OfferedDevice | None:
        """What a resource driver says of a device that a claim names; None where nobody tells."""
        ...


class Scope(StrEnum):
    """How often a collector runs."""

    TARGET = "target"
    """Once for each target it recognises."""
    NODE = "node"
    """Once on each node."""
    CLUSTER = "cluster"
    """Once in a cluster, wherever that is."""


@dataclass(frozen=True, slots=True)
class Target:
    """Something to be read, and who it is."""

    url: str
    labels: Labels
    """Identity labels that every sample of this target is given."""
    headers: Mapping[str, str] = field(default_factory=dict)
    expected: bool = True
    """False where it is a guess that the page is one of ours: until it was read once, nothing is
    said of it."""


class Collector(ABC):
    """Reads one kind of source and says what it saw in our words.

    Absent stays absent: a word the source does not know is never invented as zero.
    """

    produces: ClassVar[tuple[Metric, ...]]
    scope: ClassVar[Scope]
    marks: ClassVar[tuple[str, ...]] = ()
    """Beginnings of upstream metric names by which a page is recognised as this source's."""
    vantage: ClassVar[str] = ""
    """`engine`, `router` or `gateway`; `device` for a page about hardware, empty without a page."""

    @abstractmethod
    def collect(self, target: Target, reach: Reach, now: float) -> Iterable[Sample]:
        """Read *target* and give its samples, each with the target's labels.

        Raises:
            SourceError: The named state the target is in; nothing of a broken page is kept.
        """


class Detector(ABC):
    """Finds one failure mode in what it is shown. Does no I/O and keeps no state."""

    failure_mode: ClassVar[FailureMode]
    watches: ClassVar[tuple[Watch, ...]]

    @abstractmethod
    def detect(self, scene: Scene) -> Iterable[Finding]:
        """Every entity that fails this way now. The same scene gives the same findings."""


class Remediation(ABC):
    """Proposes one action card as data; it never acts."""

    card: ClassVar[str]
    answers: ClassVar[tuple[FailureMode, ...]]
    """Failure modes it helps against, as the incident's first cause."""
    order: ClassVar[int] = 50
    """Lower is proposed first among the cards of one incident."""
    order_for: ClassVar[Mapping[FailureMode, int]] = MappingProxyType({})
    """The order against some of the modes it answers, where it is another one."""

    @abstractmethod
    def propose(self, incident: Incident, scene: Scene) -> Action | None:
        """The plan for this incident, or None when it does not apply."""
