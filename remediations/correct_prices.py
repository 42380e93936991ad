"""R25: mend the price list and count again."""

from dataclasses import dataclass
from typing import ClassVar

from remediations import _fleet, _shell
from vocabulary import failure_modes as f
from vocabulary.actions import Action, Autonomy
from vocabulary.contracts import Remediation
from vocabulary.failure_modes import FailureMode
from vocabulary.incidents import Incident
from vocabulary.scene import Scene


@dataclass(frozen=True, slots=True)
class CorrectPrices(Remediation):
    """Put the invoice's price into your own list; it stands over the one that is shipped."""

    card: ClassVar[str] = "R25"
    answers: ClassVar[tuple[FailureMode, ...]] = (f.SPEND_DATA_WRONG,)
    order: ClassVar[int] = 10

    tolerance: float = 0.02
    """Share by which booked spend and tokens times price may differ; our judgement."""

    def propose(self, incident: Incident, scene: Scene) -> Action | None:
        """When the model is known."""
        model = incident.model or incident.pool
        if not model or not scene.now:
            return None
        gaps = [
            f"{one.observed:.4g} {one.unit} are booked and {one.expected:.4g} fit the tokens"
            for one in incident.evidence
            if one.observed is not None and one.expected is not None and not one.speaks_against
        ]
        seen = gaps[0] if gaps else "not known by how much it is wrong"
        return _fleet.action(
            incident,
            self.card,
            f"Correct the price of {model}",
            Autonomy.ONE_CLICK,
            precondition=f"an invoice or a list price of {model} is at hand; {seen}",
            met=None,
            command=f"By hand: set {_shell.word(model)} under tokens: in the file that price_file "
            "names (USD per million tokens, with source and date), commit it, and restart the "
            "server, which prices what had no price.",
            dry_run="There is no dry run of this; tidegauge usage verify shows the gap.",
            verify=f"within 60 min: tidegauge usage verify differs by less than "
            f"{self.tolerance:.0%}",
            undo="git revert of the price file",
            risk="Reports of the past show other sums; until then budgets of this model are not "
            "to be trusted.",
        )
