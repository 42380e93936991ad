"""How a cluster is read: which pages are listed, reachable, listed twice, or written anew."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

from simulator.delivery import Delivery
from simulator.pods import Pod
from vocabulary.samples import Labels, labels_of

if TYPE_CHECKING:
    from simulator.world import World


class Door(NamedTuple):
    """Something with a page, and who it is."""

    name: str
    path: str
    """Path of its page below the simulator's address."""
    labels: Labels


@dataclass(slots=True)
class Sight:
    """What somebody did to discovery, networks and page formats; pools by their short name."""

    unlisted: set[str] = field(default_factory=set)
    """Pools that no discovery lists any more, as after a label was edited."""
    walled: set[str] = field(default_factory=set)
    """Pools whose pages a network policy keeps from whoever reads them."""
    listed_twice: set[str] = field(default_factory=set)
    """Pools that a list of static addresses names beside discovery."""
    names: dict[str, Mapping[str, str]] = field(default_factory=dict)
    """Version of a server → its new names of metrics, by the old ones."""
    delivery: Delivery = field(default_factory=Delivery)
    """What becomes of pages that were read, on the way to whoever judges them."""

    def doors(self, world: "World", pods: list[Pod]) -> Iterator[Door]:
        """Every page of *pods* as it is listed now."""
        for number, pod in enumerate(pods):
            if pod.pool.name not in self.unlisted:
                yield Door(pod.name, f"/{pod.name}/metrics", world.labels(pod))
            if pod.pool.name in self.listed_twice:
                about = {"cluster": world.spec.name, "replica": f"static/10.0.7.{number + 2}:8000"}
                yield Door(pod.name, f"/{pod.name}/metrics/", labels_of(about))
