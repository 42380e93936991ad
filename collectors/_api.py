"""Servers that have no page of metrics and answer questions about themselves in JSON."""

import json
from dataclasses import dataclass
from typing import Any, ClassVar

from vocabulary.contracts import Collector, Reach, Scope, Target
from vocabulary.errors import SourceUnreadable


@dataclass(frozen=True, slots=True)
class ApiCollector(Collector):
    """A collector whose source is an API, known by the path that a target's URL ends with."""

    timeout_seconds: float = 3.0
    """Seconds an answer may take. Well below any interval worth having; our judgement."""

    scope: ClassVar[Scope] = Scope.TARGET
    engine: ClassVar[str]
    """The kind of server, as its `engine` label says."""
    path: ClassVar[str]
    """What only this API's URLs end with."""

    def ask(self, url: str, target: Target, reach: Reach) -> dict[str, Any]:
        """The JSON object at *url*.

        Raises:
            SourceError: The named state the target is in.
        """
        headers = {"Accept": "application/json", **target.headers}
        body = reach.get(url, headers, self.timeout_seconds).body
        try:
            said = json.loads(body)
        except (ValueError, RecursionError) as error:
            raise SourceUnreadable(
                f"{url} does not answer in JSON; is it another server?"
            ) from error
        if not isinstance(said, dict):
            raise SourceUnreadable(f"{url} answers JSON, and no object; is it another server?")
        return said
