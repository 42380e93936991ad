"""An agent calls in circles and sends with every call all that it has said before."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import ClassVar

import numpy as np

from detectors import _prompts
from detectors._evidence import average, middle, pool_of, say, span, without
from estimators.onset import run_start
from estimators.seasonal import DAY, SameHourOfWeek
from fleet import identity
from vocabulary import failure_modes, signals
from vocabulary.contracts import Detector
from vocabulary.failure_modes import FailureMode, Severity
from vocabulary.findings import Finding
from vocabulary.samples import Array
from vocabulary.scene import Scene, Watch

CALLS = Watch(signals.TENANT_OPERATION_RATE, 14_400.0, 60.0, every=60.0)
ANSWERS = Watch(signals.TENANT_ANSWER_LENGTH, 14_400.0, 60.0, every=60.0)
INPUT = Watch(signals.TENANT_INPUT_RATE, 7200.0, 60.0)
HISTORY = Watch(signals.TENANT_INPUT_RATE, 15 * DAY, 900.0, every=900.0)


@dataclass(frozen=True, slots=True)
class RunawayAgent(Detector):
    """A tenant's prompts multiply within minutes, in more calls with short answers.

    Prompts that grow from day to day are an application's history, calls that multiply with
    prompts as ever a leaked key or a hog, and what comes at this hour every night is a batch. It
    makes a ticket; what wakes somebody is the money, of which the spend's own detector speaks.
    """

    failure_mode: ClassVar[FailureMode] = failure_modes.RUNAWAY_AGENT
    watches: ClassVar[tuple[Watch, ...]] = (_prompts.PROMPTS, CALLS, ANSWERS, INPUT, HISTORY)

    longer: float = 3.0
    """Prompts over the longest that are usual. Our judgement: a loop fills its context, and a hog
    may well send prompts twice as long."""
    more: float = 1.25
    """Calls to that model over before."""
    least_calls: float = 0.05
    """Calls a second that came on top: one every twenty seconds is a slow loop."""
    answers: float = 1.25
    """Tokens of an answer over before, at most: a loop calls tools and says little."""
    hold_seconds: float = 180.0
    """How long it must last; each value averages five minutes."""
    season: SameHourOfWeek = field(default=SameHourOfWeek())

    def detect(self, scene: Scene) -> Iterable[Finding]:
        """Every tenant with such a loop, on the model where its prompts grew most."""
        worst: dict[str, tuple[float, str, Array]] = {}
        for labels, _ in scene.frame(_prompts.PROMPTS).rows():
            tenant, model = labels.get("tenant", ""), labels.get("model", "")
            if tenant and model:
                grown = _prompts.growth(scene, tenant, model)
                most = worst.get(tenant, (self.longer, "", grown))[0]
                if self._loops(scene, tenant, model, grown) and grown[-1] >= most:
                    worst[tenant] = float(grown[-1]), model, grown
        for tenant, (times, model, grown) in sorted(worst.items()):
            yield self._finding(scene, tenant, model, times, grown)

    def _loops(self, scene: Scene, tenant: str, model: str, grown: Array) -> bool:
        frame = scene.frame(CALLS)
        held = span(frame.times, grown, scene.now - self.hold_seconds, scene.now)
        row = frame.row(tenant=tenant, model=model)
        if row is None or not bool(np.all(held >= self.longer)):
            return False
        before = average(np.nan_to_num(_settled(scene, frame.times, row)))
        now = middle(row[-3:])
        if not now >= max(self.more * before, before + self.least_calls):
            return False
        answers = scene.frame(ANSWERS)
        said = answers.row(tenant=tenant, model=model)
        if said is not None:
            usual = middle(_settled(scene, answers.times, said))
            if middle(said[-3:]) > self.answers * usual:
                return False
        return not self._expected(scene, tenant, model)

    def _expected(self, scene: Scene, tenant: str, model: str) -> bool:
        """Whether the same hour of earlier days took as many prompt tokens."""
        history = scene.frame(HISTORY)
        past = history.row(tenant=tenant, model=model)
        recent = scene.frame(INPUT).row(tenant=tenant, model=model)
        if past is None or recent is None:
            return False
        ill = scene.troubled.get(str(identity.tenant(tenant)), ())
        band = self.season.band(history.times, without(history.times, past, ill), scene.now)
        return band is not None and float(recent[-1]) <= band.upper

    def _finding(
        self, scene: Scene, tenant: str, model: str, grown: float, course: Array
    ) -> Finding:
        frame, entity = scene.frame(_prompts.PROMPTS), identity.tenant(tenant)
        begin = scene.now - self.hold_seconds
        since = run_start(frame.times, course, course >= 0.5 * (1.0 + self.longer)) or begin
        usual = _prompts.usual(scene, tenant)
        text = (
            f"Prompts of {tenant} to {model} carry {grown:.1f} times the tokens of its longest "
            "usual ones, in more calls than before and with answers as short: a loop that reads "
            "itself."
        )
        evidence = say(
            _prompts.PROMPTS, entity, since, scene.now, text,
            observed=grown * usual, expected=usual, upper=self.longer * usual,
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
            pool=pool_of(scene, model),
            model=model,
            tenant=tenant,
        )


def _settled(scene: Scene, times: Array, row: Array) -> Array:
    """What *row* was before the minutes that are judged."""
    return span(times, row, float(times[0]), scene.now - _prompts.SETTLED)
