"""How a Prometheus that holds only the servers' own names is asked in ours."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from vocabulary.expressions import Match


@dataclass(frozen=True, slots=True)
class Spelling:
    """One upstream name for one of our series, and what its labels are called there."""

    name: str
    """Upstream series name: `vllm:num_requests_running`."""
    renamed: Mapping[str, str] = field(default_factory=dict)
    """Our label to theirs: `{"model": "model_name"}`; a label not named here is called the same."""
    fixed: Mapping[str, str] = field(default_factory=dict)
    """Labels that we set and they do not have: `{"vantage": "engine"}`."""
    match: Match = ()
    """Equalities in their labels that tell this series apart: `(("reason", "abort"),)`."""
    factor: float = 1.0
    """What their values are multiplied with to be in our unit."""

    def matching(self, match: Match) -> Match | None:
        """*match* in their labels; None when a fixed label says that nothing can match."""
        if any(self.fixed.get(name, value) != value for name, value in match):
            return None
        theirs = tuple(
            (self.renamed.get(name, name), value) for name, value in match if name not in self.fixed
        )
        return (*self.match, *theirs)


Dialect = Mapping[str, tuple[Spelling, ...]]
"""Our series name (for a histogram each of its three) to its spellings, newest first.

A name that is not in it is asked for as it is; one that is, only in its spellings, so that a
backend that holds both is not counted twice.
"""
