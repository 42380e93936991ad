"""Pages of a world in this process, read without their text: most of what reading one costs.

Of a page whose lines are known only the numbers are taken; who they belong to was read once from
the text by the collectors' own parser, and everything after the parser is what the product does.
A page of other lines than before is read as text, and so is every page in every tenth round, so
that no drill rests on the short way alone. Both give the same reading (a test holds it for every
kind of page).
"""

from dataclasses import dataclass, field

from collectors._exposition import Exposition, Layout, parse
from collectors._reading import PageReader, Reading
from simulator.fast import ANSWER_SECONDS, numbers
from simulator.world import World
from vocabulary.contracts import Reach, Target

TEXT_EVERY = 10
"""Of so many rounds one reads text. Our judgement."""


@dataclass(slots=True)
class QuickReader:
    """Reads pages of *world* as *reader* does."""

    reader: PageReader
    world: World
    text_every: int = TEXT_EVERY
    _known: dict[str, tuple[object, Layout]] = field(default_factory=dict)
    """Target → shape and lines of its last page that was read as text."""
    _left: dict[str, int] = field(default_factory=dict)
    """Target → readings until it is read as text again."""

    def read(self, target: Target, reach: Reach, now: float) -> Reading:
        """The page of *target*; whatever is wrong becomes the verdict."""
        left = self._left.get(target.url, 0)
        found = numbers(self.world, target.url) if left else None
        shape, layout = self._known.get(target.url, (None, None))
        if found is not None and layout is not None and found.shape == shape:
            self._left[target.url] = left - 1
            page = Exposition(layout, found.values)
            return self.reader.told(page, target, ANSWER_SECONDS, now)
        return self._text(target, reach, now)

    def _text(self, target: Target, reach: Reach, now: float) -> Reading:
        """Read the text, and learn what its lines are."""
        found = numbers(self.world, target.url)
        if found is not None and self._known.get(target.url, (None, None))[0] != found.shape:
            self._known[target.url] = found.shape, self._layout(target, reach)
        reading = self.reader.read(target, reach, now)
        well = found is not None and reading.verdict == "ok"
        self._left[target.url] = self.text_every - 1 if well else 0
        return reading

    def _layout(self, target: Target, reach: Reach) -> Layout:
        """The lines of a page, as the parser gives them from now on: it keeps what it saw twice."""
        body = reach.get(target.url, {}, self.reader.timeout_seconds).body
        parse(body, self.reader.limits, source=target.url)
        return parse(body, self.reader.limits, source=target.url).layout
