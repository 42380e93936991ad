"""What somebody wants to be drilled, in the words of the command line, and the cases of it."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from service.drill.case import (
    Case,
    Corpus,
    calm,
    cases,
    known_cluster,
    named_case,
    overlapping,
    written,
)
from service.drill.hardship import HARDSHIPS, known_hardship
from simulator.fault import Fault
from simulator.scenario_file import read_scenario
from vocabulary.errors import ConfigError


@dataclass(frozen=True, slots=True)
class Request:
    """What to drill; lists are text with commas."""

    faults: str = ""
    """Codes or words; empty for all, `none` for none."""
    benign: bool = False
    """Only look-alikes and calm."""
    seeds: str = ""
    """A count, a range or a list; empty for the first, or a scenario's own."""
    clusters: str = "demo"
    alternate: bool = False
    """Each seed on one of the clusters, in turn, instead of on every one."""
    calm_hours: float = 0.0
    overlaps: bool = False
    hardships: str = ""
    scenarios: tuple[Path, ...] = ()
    """Scenario files, instead of the corpus."""

    def plan(self, corpus: Corpus) -> list[Case]:
        """Every case, seed by seed: a drill that is broken off has seen every fault.

        Raises:
            ConfigError: There is nothing to drill, or a word that nobody knows.
        """
        plan = self._of_files(self.seeds) if self.scenarios else self._of_corpus(corpus)
        hardships = [known_hardship(one) for one in _words(self.hardships)]
        plan += [one.under(name) for one in tuple(plan) for name in hardships if one.events]
        plan.sort(key=lambda case: case.seed)
        if not plan:
            raise ConfigError("nothing to drill: name faults, or --benign, or --calm-hours")
        return plan

    def replayed(self, corpus: Corpus, name: str) -> Case:
        """The one case of this name, to be shown, under the one hardship that is asked for.

        Raises:
            ConfigError: More than one seed or hardship is named, or one that cannot be shown.
        """
        if self.seeds and not self.seeds.isdecimal():
            raise ConfigError(f"--seeds {self.seeds}: a replay shows one seed; write its number")
        if self.scenarios:
            seeds = f"{self.seeds}-{self.seeds}" if self.seeds else ""
            known = {case.name: case for case in self._of_files(seeds)}
            if name not in known:
                raise ConfigError(f"--replay {name}: these files hold {', '.join(known)}")
            case = known[name]
        else:
            case = named_case(corpus, name, int(self.seeds or 1), known_cluster(self.clusters))
        hardships = [known_hardship(one) for one in _words(self.hardships)]
        if not hardships:
            return case
        shown = [one.name for one in HARDSHIPS.values() if one.shown]
        if len(hardships) > 1 or hardships[0] not in shown or not case.events:
            raise ConfigError(
                f"--hardship {self.hardships}: a replay shows a fault under one of "
                f"{', '.join(shown)}; its server is the one whose console you look at, and stays"
            )
        return case.under(hardships[0])

    def _of_corpus(self, corpus: Corpus) -> list[Case]:
        seeds = seed_numbers(self.seeds or "1")
        clusters = [known_cluster(one) for one in _words(self.clusters)]
        wanted: list[type[Fault]] = [] if self.benign else self._wanted(corpus)
        if self.benign or not self.faults:
            wanted += corpus.look_alikes.values()
        plan: list[Case] = []
        for cluster, some in self._shares(clusters, seeds):
            plan += cases(wanted, some, cluster, elsewhere=True if self.alternate else None)
            if self.calm_hours:
                plan += [calm(seed, self.calm_hours, cluster) for seed in some]
            if self.overlaps:
                plan += overlapping(corpus, some, cluster)
        return plan

    def _shares(
        self, clusters: Sequence[str], seeds: Sequence[int]
    ) -> Iterable[tuple[str, Sequence[int]]]:
        """The seeds that each cluster gets: all of them, or every second with two clusters."""
        for place, cluster in enumerate(clusters):
            if self.alternate:
                yield cluster, [seed for seed in seeds if seed % len(clusters) == place]
            else:
                yield cluster, seeds

    def _wanted(self, corpus: Corpus) -> list[type[Fault]]:
        if self.faults == "none":
            return []
        named = [corpus.named(word) for word in _words(self.faults)]
        return named or list(corpus.faults.values())

    def _of_files(self, seeds: str) -> list[Case]:
        """The cases of scenario files, each under its own seed or under those asked for."""
        numbers: list[int | None] = [*seed_numbers(seeds)] if seeds else [None]
        read = [read_scenario(file) for file in self.scenarios]
        plan = [written(one, seed) for one in read for seed in numbers]
        if len({case.id for case in plan}) < len(plan):
            raise ConfigError("two of these scenarios bear one name; rename one of them")
        return plan


def seed_numbers(text: str) -> list[int]:
    """`3` is 1, 2 and 3; `11-13` is 11, 12 and 13; `7,9` is 7 and 9.

    Raises:
        ConfigError: It is none of these.
    """
    try:
        if "," in text:
            return [int(part) for part in _words(text)]
        low, dash, high = text.partition("-")
        first, last = (int(low), int(high)) if dash else (1, int(low))
    except ValueError as error:
        raise ConfigError(f"--seeds {text}: write a number, a range 11-20 or a list 7,9") from error
    if not 0 <= first <= last:
        raise ConfigError(f"--seeds {text}: there are no seeds in it")
    return list(range(first, last + 1))


def _words(text: str) -> list[str]:
    return [one.strip() for one in text.split(",") if one.strip()]
