"""Reading a page: fetch, parse, recognise, say in our words, and never more than that."""

import time
from abc import abstractmethod
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import ClassVar
from urllib.parse import urlsplit

from collectors._api import ApiCollector
from collectors._exposition import Exposition, Limits, parse
from collectors._plan import Plan, plan
from collectors._words import Folding, PageLabels, Word, model_name
from vocabulary.contracts import Collector, Page, Reach, Scope, Target
from vocabulary.errors import SourceError, SourceOversized, SourceUnfamiliar
from vocabulary.samples import Labels, Sample, labels_of

ACCEPT = "text/plain;version=0.0.4;q=1,*/*;q=0.1"
"""The plain format by name: asked for OpenMetrics, prometheus_client ≥ 0.23 rewrites the colons in
`vllm:` (prometheus/client_python#1177)."""


@dataclass(frozen=True, slots=True)
class PageCollector(Collector):
    """A collector whose source is a page of metrics and whose knowledge is a table of words."""

    timeout_seconds: float = 3.0
    """Seconds the whole page may take. Well below any interval worth having; our judgement."""
    max_models: int = 100
    """Models told apart on one page; more are one called `other`, since users choose names."""
    max_series: int = 10_000
    """Series of ours that one page may become; beyond it the page is refused."""

    scope: ClassVar[Scope] = Scope.TARGET
    engine: ClassVar[str]
    """The kind of server, as its `engine` label says; empty for hardware."""
    model_labels: ClassVar[tuple[str, ...]] = ("model_name", "model")
    """Page labels that name the model, best first."""

    @abstractmethod
    def words(self) -> Iterable[Word]:
        """The table: which of our words this kind of page speaks."""

    def collect(self, target: Target, reach: Reach, now: float) -> Iterable[Sample]:
        page = fetch(target, reach, self.timeout_seconds)
        return self.translate(parse(page.body), target.labels, now)

    def translate(self, exposition: Exposition, identity: Labels, now: float) -> list[Sample]:
        """What the page says in our words; labels of *identity* win over the page's own.

        Nothing, where the page declares names of ours and holds no sample of them yet: some servers
        write the first with their first request.

        Raises:
            SourceUnfamiliar: The page says nothing that this collector knows.
            SourceOversized: It would become more series than one page may.
        """
        layout = exposition.layout
        key = (self, identity)
        known: Plan | None = layout.plans.get(key)
        if known is None:
            known = layout.plans[key] = self._plan(exposition, identity)
        if not known.outputs and not self._declared(exposition):
            raise _unfamiliar(exposition, self.engine or "this collector")
        return known.samples(layout, exposition.values, now)

    def _plan(self, exposition: Exposition, identity: Labels) -> Plan:
        folded = Folding(self.max_models)
        models = {self._model(dict(row.labels)) for row in exposition.layout.rows} - {""}
        only = models.pop() if len(models) == 1 else ""  # process-wide series belong to it as well

        def about(page: PageLabels, own: Mapping[str, str]) -> Labels:
            named = model_name(own.get("model", "")) or self._model(page) or only
            ours = {**own, "engine": self.engine, "vantage": self.vantage, "model": folded(named)}
            ours.update(identity)
            if self.vantage == "engine":
                ours.setdefault("pool", ours["model"])
            return labels_of(ours)

        made = plan(exposition.layout, self.words(), about)
        if not any(one.word.spellings[0].startswith(self.marks) for one in made.outputs):
            return Plan(())  # process_… and http_… alone could be anybody's
        if len(made.outputs) > self.max_series:
            raise SourceOversized(
                f"the page would become {len(made.outputs)} series; {self.max_series} are allowed",
                limit="series",
            )
        return made

    def _declared(self, exposition: Exposition) -> bool:
        """Whether the page names a family of ours that holds no sample."""
        samples = tuple(_plain(name) for name in exposition.layout.names)
        ours = {_plain(one) for word in self.words() for one in word.spellings}
        ours = {one for one in ours if one.startswith(tuple(_plain(x) for x in self.marks))}
        declared = {_plain(name) for name, _ in exposition.layout.types} & ours
        return any(not any(one.startswith(family) for one in samples) for family in declared)

    def _model(self, page: PageLabels) -> str:
        return model_name(next((page[name] for name in self.model_labels if page.get(name)), ""))


def _plain(name: str) -> str:
    return name.replace(":", "_").removesuffix("_total")


def fetch(target: Target, reach: Reach, timeout_seconds: float) -> Page:
    """The page of *target*.

    Raises:
        SourceError: The named state the target is in.
    """
    return reach.get(target.url, {"Accept": ACCEPT, **target.headers}, timeout_seconds)


def recognise(names: Iterable[str], collectors: Mapping[str, Collector]) -> str | None:
    """The collector whose marks begin most of these sample names, or None when none begins any."""
    spelled = [name.replace(":", "_") for name in names]
    scores = {
        collector: sum(name.startswith(marks) for name in spelled)
        for collector, marks in (
            (name, tuple(mark.replace(":", "_") for mark in one.marks))
            for name, one in collectors.items()
            if one.marks
        )
    }
    best = max(scores, key=lambda name: scores[name], default=None)
    return best if best is not None and scores[best] else None


@dataclass(frozen=True, slots=True)
class Reading:
    """What reading one target gave: samples, or the reason why there are none."""

    samples: tuple[Sample, ...]
    verdict: str
    """`ok`, or the named state the target is in: `down`, `hung`, `unauthorised`, …"""
    detail: str = ""
    """The reason in words, when it is not ok."""
    seconds: float = 0.0
    """How long the answer took, or was waited for."""
    collector: str = ""
    """Which collector recognised the page."""
    limit: str = ""
    """Which limit refused it, when one did: `time`, `bytes`, `lines`, `samples`, …"""
    vantage: str = ""
    """From where a recognised page looks that has nothing to say: a router before its first call
    shows names of its kind, and none that we read."""


@dataclass(frozen=True, slots=True)
class PageReader:
    """Reads any target's page with whichever collector recognises it."""

    collectors: Mapping[str, PageCollector]
    """By name, as discovered and configured."""
    timeout_seconds: float = 3.0
    """Seconds the whole page may take."""
    limits: Limits = field(default_factory=Limits)
    monotonic: Callable[[], float] = time.monotonic
    """The clock by which a target that gave no page was waited for."""
    apis: Mapping[str, ApiCollector] = field(default_factory=dict)
    """Servers without a page, by name: known by the path of the target's URL."""

    def read(self, target: Target, reach: Reach, now: float) -> Reading:
        """Fetch and translate *target*'s page; whatever is wrong becomes the verdict."""
        for name, api in self.apis.items():
            if urlsplit(target.url).path.endswith(api.path):
                return self._ask(name, target, reach, now)
        began, seconds = self.monotonic(), None
        try:
            page = fetch(target, reach, self.timeout_seconds)
            seconds = page.seconds
            exposition = parse(page.body, self.limits, source=target.url)
        except SourceError as error:
            waited = self.monotonic() - began if seconds is None else seconds
            return Reading((), error.verdict, str(error), waited, limit=error.limit)
        return self.told(exposition, target, seconds, now)

    def told(self, exposition: Exposition, target: Target, seconds: float, now: float) -> Reading:
        """What a page that was fetched and parsed says in our words."""
        name = ""
        try:
            name = self._collector(target, exposition)
            samples = self.collectors[name].translate(exposition, target.labels, now)
        except SourceError as error:
            vantage = self.collectors[name].vantage if name else ""
            return Reading((), error.verdict, str(error), seconds, name, error.limit, vantage)
        return Reading(tuple(samples), "ok", "", seconds, name)

    def _ask(self, name: str, target: Target, reach: Reach, now: float) -> Reading:
        began = self.monotonic()
        try:
            samples = tuple(self.apis[name].collect(target, reach, now))
        except SourceError as error:
            return Reading((), error.verdict, str(error), self.monotonic() - began, name)
        return Reading(samples, "ok", "", self.monotonic() - began, name)

    def _collector(self, target: Target, exposition: Exposition) -> str:
        """The one that the target's `engine` label names, else the one that the page shows."""
        told = dict(target.labels).get("engine", "")
        if told in self.collectors:
            return told
        layout = exposition.layout
        key = ("recognised", *self.collectors)
        if key not in layout.plans:
            declared = (name for name, _ in layout.types)
            layout.plans[key] = recognise((*layout.names, *declared), self.collectors)
        name: str | None = layout.plans[key]
        if name is None:
            raise _unfamiliar(exposition, "collector here")
        return name


def _unfamiliar(exposition: Exposition, who: str) -> SourceUnfamiliar:
    names = exposition.layout.names
    shown = ", ".join(names[:8]) + (f" and {len(names) - 8} more" if len(names) > 8 else "")
    return SourceUnfamiliar(f"the page holds no name that {who} knows; it holds {shown}")
