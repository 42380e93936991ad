"""What a detector says: one statement about one entity, with evidence anyone can check."""

from dataclasses import dataclass, field

from vocabulary.entities import Entity
from vocabulary.failure_modes import FailureMode, Severity


@dataclass(frozen=True, slots=True)
class Evidence:
    """One observation that speaks for (or against) a finding."""

    signal: str
    """Name of the signal in vocabulary/signals.py."""
    entity: Entity
    start: float
    end: float
    observed: float | None
    text: str
    """One sentence with numbers and units."""
    expected: float | None = None
    lower: float | None = None
    upper: float | None = None
    unit: str = ""
    speaks_against: bool = False

    @property
    def id(self) -> str:
        """Deterministic: the same observation always bears the same id."""
        return f"{self.signal}@{self.entity}@{int(self.start)}"


@dataclass(frozen=True, slots=True)
class Finding:
    """One detector's statement about one entity at one tick."""

    failure_mode: FailureMode
    entity: Entity
    since: float
    at: float
    severity: Severity
    confidence: float
    """0..1: how sure the detector is that this is not a benign look-alike."""
    evidence: tuple[Evidence, ...]
    text: str
    """One sentence: what is wrong with this entity."""
    detector: str = ""
    """File name of the detector; filled by the pipeline."""
    pool: str = ""
    model: str = ""
    tenant: str = ""
    related: tuple[Entity, ...] = field(default=())
    """Other entities the evidence names, such as the GPU under a slow replica."""

    @property
    def key(self) -> tuple[str, str]:
        """What makes two findings at two ticks the same finding."""
        return (self.failure_mode.word, str(self.entity))
