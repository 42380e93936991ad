"""A backtest from the first look at the history to the report."""

from collections.abc import Callable
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path

from service import assembly
from service.backtest.answer import Findings
from service.backtest.known import Known, judge, read_known
from service.backtest.page import page
from service.backtest.past import Past, of_data_folder, of_dump, of_prometheus, where_it_holds
from service.backtest.replay import replay
from service.backtest.span import Span, span_of
from service.backtest.telling import tellings
from service.backtest.what_if import Kept, suggestions
from service.clock import WallClock
from service.config import Config
from vocabulary.errors import ConfigError, TidegaugeError
from vocabulary.incidents import rfc3339

Told = Callable[[str, int, int], object]
"""Is told what goes on, how much of it is done, and how much there is."""


def run(
    config: Config,
    begin: str,
    end: str,
    folder: Path,
    *,
    dump: Path | None = None,
    known: Path | None = None,
    every: float = 0.0,
    suggest: bool = True,
    html: Path | None = None,
    told: Told = lambda _what, _done, _all: None,
) -> Findings:
    """Replay from *begin* to *end*, with files of no consequence in *folder*.

    The history is that of *dump*, of the configured Prometheus, or of the data directory.

    Raises:
        ConfigError, StoreError, StoreUnreachable: With the mend.
    """
    now = WallClock().now()
    past, span = _opened(config, dump, begin, end, every, now)
    try:
        listed: list[Known] = read_known(known, span.end) if known is not None else []
        span = where_it_holds(past, span)
        kept = Kept()
        said = replay(
            config,
            past,
            span,
            folder / "replay",
            told=lambda done, total: told("Replaying", done, total),
            watched=kept.watch if suggest else lambda _scene, _findings: None,
        )
        verdicts = judge(listed, tellings(said.incidents.values()), said.until)
        found = Findings(past, said, verdicts, (), assembly.all_detectors(config))
        if suggest and not said.stopped:
            hints = suggestions(
                config,
                past,
                said,
                kept,
                listed,
                folder,
                told=lambda done, total: told("Looking for what would be quieter", done, total),
            )
            found = replace(found, suggestions=hints)
        if html is not None:
            made = f"Tidegauge {version('tidegauge')}, made {(rfc3339(now) or '')[:16]}Z."
            html.write_text(page(found, made), encoding="utf-8")
        return found
    finally:
        past.close()


def _opened(
    config: Config, dump: Path | None, begin: str, end: str, every: float, now: float
) -> tuple[Past, Span]:
    """The history, and the part of it that is asked for.

    Relative times count from the newest sample of a folder or file: a demo's clock is not ours.
    """
    settings = config.settings
    interval = settings.interval_seconds
    if settings.prometheus_url and dump is None:
        span = span_of(begin, end, interval, now, every)
        return of_prometheus(config, settings.prometheus_url, span), span
    past = of_data_folder(settings.data_dir) if dump is None else of_dump(config, dump)
    try:
        return past, span_of(begin, end, interval, _newest(past), every)
    except TidegaugeError:
        past.close()
        raise


def _newest(past: Past) -> float:
    newest = past.asking.newest()
    if newest is None:
        raise ConfigError(f"{past.name} holds no samples; name a history that does")
    return newest
