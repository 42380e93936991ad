"""The way from whoever reads pages to whoever judges them: batches are lost there, or late."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from vocabulary.samples import Sample

Batch = tuple[float, Sequence[Sample]]
"""What one round read, and when."""


@dataclass(slots=True)
class Delivery:
    """An exporter's queue and the network behind it."""

    losing: bool = False
    """True while the queue is full: what comes now is thrown away."""
    delay: float = 0.0
    """Seconds that a batch is under way."""
    _under_way: list[tuple[float, Batch]] = field(default_factory=list)

    def carry(self, moment: float, samples: Sequence[Sample]) -> list[Batch]:
        """Send what was read at *moment*; what arrives now, in the order in which it was sent."""
        if not self.losing:
            self._under_way.append((moment + self.delay, (moment, samples)))
        arrived = [batch for due, batch in self._under_way if due <= moment]
        self._under_way = [one for one in self._under_way if one[0] > moment]
        return arrived
