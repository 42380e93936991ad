"""R23: keep one incident quiet while somebody works on it."""

from dataclasses import dataclass
from typing import ClassVar

from remediations import _fleet, _shell
from vocabulary import failure_modes
from vocabulary.actions import Action, Autonomy
from vocabulary.contracts import Remediation
from vocabulary.failure_modes import FailureMode
from vocabulary.incidents import Incident, IncidentState
from vocabulary.scene import Scene


@dataclass(frozen=True, slots=True)
class Silence(Remediation):
    """A silence that matches this incident and nothing else, for a while."""

    card: ClassVar[str] = "R23"
    answers: ClassVar[tuple[FailureMode, ...]] = failure_modes.ALL
    order: ClassVar[int] = 900

    minutes: int = 120
    """How long; long enough to work, short enough not to be forgotten. Our judgement."""

    def propose(self, incident: Incident, scene: Scene) -> Action | None:
        """While it is open and not silenced already."""
        silenced = incident.silenced_until is not None and incident.silenced_until > scene.now
        if silenced or incident.state is IncidentState.RESOLVED:
            return None
        matcher = _shell.word(f"incident_id={incident.id}")
        return _fleet.action(
            incident,
            self.card,
            f"Silence this incident for {self.minutes} min",
            Autonomy.ONE_CLICK,
            precondition="somebody works on it",
            met=None,
            command="tidegauge incidents silence "
            f"{_shell.word(incident.id)} --minutes {self.minutes}",
            dry_run=f"amtool alert query {matcher} lists what it would match",
            verify=f"within 1 min: amtool silence query {matcher} lists it",
            undo="amtool silence expire ID, with the id that the query shows",
            risk="A second page about the same incident is not heard.",
        )
