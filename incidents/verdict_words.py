"""How a verdict on a change is told: its words, its sentence, and its JSON."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any

from vocabulary.incidents import rfc3339


class Word(StrEnum):
    """What can be said."""

    BETTER = "better"
    WORSE = "worse"
    NO_DIFFERENCE = "no_difference"
    CANNOT_TELL = "cannot_tell_yet"


@dataclass(frozen=True, slots=True)
class Span:
    """What is compared: from *start* to *first*, and from *last* to *end*.

    *first* and *last* are the first and last change of one act.
    """

    start: float
    first: float
    last: float
    end: float
    closed: bool
    """Nothing that comes later is taken in any more."""


@dataclass(frozen=True, slots=True)
class SignalVerdict:
    """What is said of one signal at equal load, prompt mix and cache hit."""

    signal: str
    word: Word
    effect: float | None
    """After over before, less one; for the error ratio, after less before. None: not known."""
    lower: float | None
    """Ends of its 99 % interval."""
    upper: float | None
    minutes_before: int
    minutes_after: int
    """Those at loads that were seen before."""
    needs: str = ""
    """What would decide it; empty when it is decided."""
    pool: str = ""
    """Of which pool, where several are told of."""

    @property
    def text(self) -> str:
        """One line: the effect with its interval, then what is missing."""
        name, unit = _TOLD[self.signal]
        if self.effect is None or self.lower is None or self.upper is None:
            return f"{name}: {self.needs}"
        low, high = (_percent(end) for end in (self.lower, self.upper))
        told = f"{name} {_percent(self.effect)} {unit} ({low} to {high})"
        return f"{told}; {self.needs}" if self.needs else told


@dataclass(frozen=True, slots=True)
class Verdict:
    """What one change did to its pool, as far as can be told."""

    word: Word
    text: str
    span: Span
    signals: tuple[SignalVerdict, ...]


ERROR_RATIO = "error_ratio"
WAITING_SHARE = "requests_waiting_share"
LATE_SHARE = "first_tokens_late"
COST_OF_TOKENS = "usd_per_token"
TIME_OF_TOKENS = "replicas_per_token"
_TOLD = {
    "inter_token_latency_mean": ("time between tokens", "%"),
    "time_to_first_token_mean": ("time to first token", "%"),
    "output_tokens_per_second": ("tokens/s", "%"),
    ERROR_RATIO: ("failed requests", "points"),
    WAITING_SHARE: ("requests that wait", "points"),
    LATE_SHARE: ("late first tokens", "points"),
    COST_OF_TOKENS: ("cost of a token", "%"),
    TIME_OF_TOKENS: ("replicas for a token", "%"),
}


def decide(effect: float | None, lower: float, upper: float, margin: float, sure: float) -> Word:
    """What an effect (above zero is worse) with its interval says, where *margin* matters."""
    if effect is None:
        return Word.CANNOT_TELL
    if effect >= margin and lower >= sure:
        return Word.WORSE
    if effect <= -margin and upper <= -sure:
        return Word.BETTER
    return Word.NO_DIFFERENCE if -margin < lower and upper < margin else Word.CANNOT_TELL


_ORDER = (Word.WORSE, Word.BETTER, Word.CANNOT_TELL)
"""What is told first, before that nothing changed."""
_WORDS = {word: f"{word.value.replace('_', ' ')}, " for word in Word}


def summed_up(span: Span, signals: Sequence[SignalVerdict]) -> Verdict:
    """One word for all signals: the worst that is sure, and no word while any might still be it."""
    words = {one.word for one in signals}
    word = next(
        (each for each in _ORDER if each in words),
        Word.NO_DIFFERENCE if signals else Word.CANNOT_TELL,
    )
    lines = [one.text for one in signals if one.word is word]
    if word is Word.WORSE:
        lines += [f"but {one.text}" for one in signals if one.word is Word.BETTER]
    if not signals:
        lines = ["nothing was measured of this pool"]
    return Verdict(word, "; ".join(lines), span, tuple(signals))


def side_by_side(span: Span, verdicts: Mapping[str, Verdict]) -> Verdict:
    """One statement about several pools: the worst word that is sure, each pool in its words."""
    words = {one.word for one in verdicts.values()}
    word = next(one for one in (*_ORDER, Word.NO_DIFFERENCE) if one in words)
    text = "; ".join(f"{pool}: {_WORDS[one.word]}{one.text}" for pool, one in verdicts.items())
    signals = [
        replace(signal, pool=pool) for pool, one in verdicts.items() for signal in one.signals
    ]
    return Verdict(word, text, span, tuple(signals))


def verdict_json(verdict: Verdict) -> dict[str, Any]:
    """A verdict as the API tells it."""
    return {
        "word": verdict.word.value,
        "text": verdict.text,
        "before_from": rfc3339(verdict.span.start),
        "after_to": rfc3339(verdict.span.end),
        "final": verdict.span.closed,
        "signals": [
            {
                "signal": one.signal,
                "pool": one.pool,
                "word": one.word.value,
                "effect": one.effect,
                "lower": one.lower,
                "upper": one.upper,
                "minutes_before": one.minutes_before,
                "minutes_after": one.minutes_after,
                "needs": one.needs,
                "text": one.text,
            }
            for one in verdict.signals
        ],
    }


def _percent(share: float) -> str:
    return f"{round(100.0 * share, 1) + 0.0:+.1f}"
