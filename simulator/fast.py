"""The way to the simulated pages without sockets: for drills and tests that run at full speed."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from simulator.host import pods_on
from simulator.nvml import SimulatedNvml
from simulator.pages.text import CONTENT_TYPE, Numbers
from simulator.world import World
from vocabulary.contracts import Page, Target
from vocabulary.errors import SourceDown, SourceError, SourceHung
from vocabulary.pods import OfferedDevice, Pod
from vocabulary.samples import labels_of

BASE = "http://simulated"
"""Where pages are said to be; no such host is ever looked up."""
ANSWER_SECONDS = 0.004
"""How long a page is said to have taken."""


@dataclass(frozen=True, slots=True)
class SimulatedReach:
    """A `contracts.Reach` that sees the world as it is now; it never moves time itself."""

    world: World
    node: str = ""
    """Whose GPUs `nvml` shows; every node's when empty."""
    _nvml: list[SimulatedNvml] = field(default_factory=list)

    def get(self, url: str, headers: Mapping[str, str], timeout_seconds: float) -> Page:  # noqa: ARG002
        """The page at *url*.

        Raises:
            SourceDown: Nobody listens there.
            SourceHung: The connection is taken and nothing comes, or nobody may scrape now.
        """
        if not self.world.scraping:
            raise SourceHung(f"{url} cannot be reached: the scraper is cut off")
        return Page(self.world.page(_name(url)), CONTENT_TYPE, 200, ANSWER_SECONDS)

    @property
    def pods(self) -> Sequence[Pod]:
        """Those that share GPUs; of all others the simulation tells itself."""
        return pods_on(self.world, self.node)

    def offered(self, driver: str, pool: str, device: str) -> OfferedDevice | None:  # noqa: ARG002
        """Nothing: nobody claims devices there."""
        return None

    @property
    def nvml(self) -> Any:
        """A module with pynvml's interface.

        Raises:
            SourceDown: The node is gone, and whoever would read its GPUs with it.
        """
        if self.world.scheduling.silent(self.node):
            raise SourceDown(f"{self.node} is gone")
        if not self._nvml:
            self._nvml.append(self.world.nvml(self.node))
        return self._nvml[0]


def numbers(world: World, url: str) -> Numbers | None:
    """What the page at *url* says now, without its text; None when it gives no page."""
    name = _name(url)
    with world.lock:
        try:
            writer = world.writer(name) if world.scraping else None
            if writer is None:
                return None
            writer.spells = False
            try:
                world.page(name)
            finally:
                writer.spells = True
        except SourceError:
            return None
        return writer.numbers()


def _name(url: str) -> str:
    return urlsplit(url).path.lstrip("/").partition("/")[0]


def page_targets(world: World, base: str = BASE) -> list[Target]:
    """Every page there is now, as collectors are told of targets."""
    return [Target(f"{base}{door.path}", door.labels) for door in world.targets()]


def node_targets(world: World) -> Sequence[Target]:
    """Every node, as hardware collectors are told of theirs."""
    return [
        Target(f"nvml://{node.name}", labels_of({"cluster": world.spec.name, "node": node.name}))
        for node in world.spec.nodes
    ]
