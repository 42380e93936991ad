"""Which action cards an incident is offered, and which of them comes first.

Each card says in its own file against what it helps and how early it should be tried; nothing here
knows a card. One whose precondition does not hold stands behind those that could be done.
"""

from collections.abc import Iterable, Sequence

import structlog

from vocabulary.actions import Action
from vocabulary.contracts import Remediation
from vocabulary.failure_modes import FailureMode
from vocabulary.incidents import Incident
from vocabulary.scene import Scene

log = structlog.get_logger(__name__)

BESIDE = 100
"""Added to the order of a card that answers the incident's name and not its first cause."""
REFUSED = 300
"""Added to the order of a card whose precondition does not hold."""


class Cards:
    """The cards there are, in the order in which one failure mode wants them."""

    def __init__(self, remediations: Iterable[Remediation]) -> None:
        self._known: Sequence[Remediation] = sorted(remediations, key=lambda one: one.card)
        self._found: dict[tuple[FailureMode, FailureMode], list[tuple[int, Remediation]]] = {}

    def offered(self, incident: Incident, scene: Scene) -> tuple[Action, ...]:
        """Every card that helps against the incident's first cause or its name, best first."""
        cause = incident.causes[0].failure_mode if incident.causes else incident.failure_mode
        told = [
            (order + REFUSED * (action.met is False), action)
            for order, remediation in self._for(cause, incident.failure_mode)
            for action in _proposed(remediation, incident, scene)
        ]
        return tuple(action for _, action in sorted(told, key=lambda one: (one[0], one[1].card)))

    def _for(self, cause: FailureMode, name: FailureMode) -> list[tuple[int, Remediation]]:
        key = (cause, name)
        if key not in self._found:
            self._found[key] = [
                (one.order_for.get(mode, one.order) + beside, one)
                for one in self._known
                for mode, beside in [(cause, 0), (name, BESIDE)]
                if mode in one.answers and not (beside and cause in one.answers)
            ]
        return self._found[key]


def _proposed(remediation: Remediation, incident: Incident, scene: Scene) -> Iterable[Action]:
    try:
        action = remediation.propose(incident, scene)
    except Exception:  # one broken card must not keep an incident from its page
        log.exception("remediation failed", card=remediation.card, incident=incident.id)
        return ()
    return () if action is None else (action,)
