"""The one thread before the scheduler that turns text into tokens and tokens into text."""

from dataclasses import dataclass


@dataclass(slots=True)
class FrontEnd:
    """A server of one core: a call waits in it for those before, and no queue gauge sees it."""

    seconds_per_token: float = 0.0
    """Work that each token of prompt and answer costs; nothing worth counting when all is well."""
    free_at: float = 0.0
    """When everything taken so far is done."""
    busy_seconds: float = 0.0

    def ready(self, arrived: float, tokens: int) -> float:
        """When the scheduler sees a call of *tokens* that arrived then."""
        if self.seconds_per_token <= 0.0:
            return max(arrived, self.free_at)
        work = tokens * self.seconds_per_token
        self.free_at = max(arrived, self.free_at) + work
        self.busy_seconds += work
        return self.free_at

    def worked(self, now: float) -> float:
        """Seconds of its core that have been used until *now*."""
        return self.busy_seconds - max(0.0, self.free_at - now)
