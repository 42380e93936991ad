"""Lines for the person at the terminal: what opened and what was resolved."""

from collections.abc import Callable, Sequence

from service.core import Core
from vocabulary.incidents import Incident, IncidentState


def announcing(
    part: Core, say: Callable[[str], None]
) -> Callable[[float, Sequence[Incident]], None]:
    """Tell the person at the terminal what opened and what was resolved."""
    told: dict[str, IncidentState] = {}

    def after(moment: float, changed: Sequence[Incident]) -> None:
        part.after_tick(moment)
        for one in changed:
            if told.get(one.id) is one.state or one.merged_into:
                continue
            told[one.id] = one.state
            if one.state in {IncidentState.OPEN, IncidentState.RESOLVED}:
                say(f"{one.state.value:<8} {one.severity.value:<8} {one.headline}")

    return after
