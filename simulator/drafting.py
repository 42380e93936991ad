"""Speculative decoding: a draft proposes tokens, and the model takes as many as it agrees with."""

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from simulator.engine_model import EngineModel


@dataclass(frozen=True, slots=True)
class Drafting:
    """What a step yields with a draft, on average, and what it costs."""

    tokens: int = 3
    """Tokens that are proposed for each request and step; three is what guides to EAGLE and n-gram
    drafts commonly set."""
    accepted: float = 0.7
    """Chance that a proposed token is taken, when all before it were. Our judgement."""
    cost: float = 0.06
    """Share by which one proposed token makes a step longer. Our judgement."""

    @property
    def tokens_a_step(self) -> float:
        """The model's own, and the drafted ones up to the first that is refused.

        Equation 1 of Leviathan, Kalman and Matias, "Fast inference from transformers via
        speculative decoding" (2023).
        """
        return sum(self.accepted**place for place in range(self.tokens + 1))

    @property
    def longer(self) -> float:
        """By how much a step takes longer."""
        return 1.0 + self.cost * self.tokens

    def applied(self, model: "EngineModel") -> "EngineModel":
        """An engine without a draft that is as fast on average."""
        factor = self.longer / self.tokens_a_step
        return replace(
            model,
            base=model.base * factor,
            per_request=model.per_request * factor,
            per_kv_token=model.per_kv_token * factor,
        )


@dataclass(slots=True)
class Owed:
    """Parts of steps and tokens that are over and not yet counted, as only whole ones are."""

    steps: float = 0.0
    tokens: float = 0.0

    def whole_steps(self, ran: float) -> int:
        """Steps to count after *ran* more."""
        self.steps += ran
        whole = int(self.steps)
        self.steps -= whole
        return whole

    def tokens_of_one_step(self, drafting: Drafting | None) -> int:
        """What a request gets in the next step: one, or with a draft now more, now fewer."""
        if drafting is None:
            return 1
        self.tokens += drafting.tokens_a_step
        whole = int(self.tokens)
        self.tokens -= whole
        return whole
