"""The dollars that a gateway books do not fit the tokens that it counts."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from detectors._evidence import average, pool_of, say, span
from estimators.onset import run_start
from fleet import identity
from vocabulary import failure_modes, signals
from vocabulary.contracts import Detector
from vocabulary.failure_modes import FailureMode, Severity
from vocabulary.findings import Finding
from vocabulary.samples import Array
from vocabulary.scene import Scene, Watch

LOOKBACK = 86_400.0
BOOKED = Watch(signals.BOOKED_SPEND, LOOKBACK, 300.0, every=300.0)
PRICED = Watch(signals.POOL_SPEND, LOOKBACK, 300.0, every=300.0)


@dataclass(frozen=True, slots=True)
class SpendDataWrong(Detector):
    """Booked dollars differ from tokens times list price by more than a tenth.

    Both come from the same page, so that traffic, retries and restarts cancel out. A gateway that
    never booked a model was never told its price and is left alone, and after an announced change
    of prices the two lists are given time to agree.
    """

    failure_mode: ClassVar[FailureMode] = failure_modes.SPEND_DATA_WRONG
    watches: ClassVar[tuple[Watch, ...]] = (BOOKED, PRICED)

    tolerance: float = 0.1
    """Relative difference that is still agreement: rounding, and taxes that a list leaves out."""
    hold_seconds: float = 1800.0
    """How long they must disagree; each value averages a quarter of an hour."""
    least_usd_per_hour: float = 0.05
    """Priced spend below which there is nothing to compare."""
    announced_seconds: float = 14_400.0
    """How long an announced change of prices excuses a difference."""

    def detect(self, scene: Scene) -> Iterable[Finding]:
        """Every model whose books are wrong."""
        booked, priced = scene.frame(BOOKED), scene.frame(PRICED)
        for model in sorted({labels.get("model", "") for labels, _ in booked.rows()} - {""}):
            dollars, worth = booked.row(model=model), priced.row(model=model)
            if dollars is None or worth is None or not np.nanmax(dollars, initial=0.0) > 0.0:
                continue
            finding = self._judge(scene, booked.times, model, dollars, worth)
            if finding is not None:
                yield finding

    def _judge(
        self, scene: Scene, times: Array, model: str, dollars: Array, worth: Array
    ) -> Finding | None:
        with np.errstate(divide="ignore", invalid="ignore"):
            ratio = np.where(worth >= self.least_usd_per_hour, dollars / worth, np.nan)
        newest = span(times, ratio, scene.now - self.hold_seconds, scene.now)
        newest = newest[np.isfinite(newest)]
        if newest.size < 4 or not (
            newest.max() < 1.0 - self.tolerance or newest.min() > 1.0 + self.tolerance
        ):
            return None
        since = run_start(times, ratio, np.abs(ratio - 1.0) > self.tolerance) or scene.now
        if any(
            one.kind == "price" and -600.0 <= since - one.at <= self.announced_seconds
            for one in scene.changes
        ):
            return None
        return self._finding(scene, model, since, float(np.mean(newest)), worth, times)

    def _finding(
        self, scene: Scene, model: str, since: float, ratio: float, worth: Array, times: Array
    ) -> Finding:
        pool = pool_of(scene, model)
        entity = identity.pool(pool) if pool else identity.route(model)
        due = average(span(times, worth, scene.now - self.hold_seconds, scene.now))
        text = (
            f"${ratio * due:,.2f}/h is booked for {model}, its tokens are worth ${due:,.2f}/h at "
            "list price: budgets and bills that go by the booking are wrong."
        )
        evidence = say(
            BOOKED, entity, since, scene.now, text,
            observed=ratio * due, expected=due,
            lower=(1.0 - self.tolerance) * due, upper=(1.0 + self.tolerance) * due,
        )  # fmt: skip
        return Finding(
            failure_mode=self.failure_mode,
            entity=entity,
            since=since,
            at=scene.now,
            severity=Severity.WARNING,
            confidence=0.9,
            evidence=(evidence,),
            text=text,
            pool=pool,
            model=model,
        )
