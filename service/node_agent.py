"""`tidegauge collect`: the agent of one node, with no store of its own."""

import threading
from collections.abc import Callable, Sequence

import structlog

from service import assembly
from service.clock import WallClock
from service.config import Config, Settings
from service.local import Pace
from service.otlp_export import OtlpExport
from service.self_report import SelfReport
from service.server import PageServer
from vocabulary.errors import ConfigError
from vocabulary.samples import Sample

log = structlog.get_logger(__name__)


def start(
    config: Config,
    then: Callable[[str, Callable[[], object]], object],
    say: Callable[[str], None],
) -> None:
    """Start reading, exporting and offering the page; *then* remembers how to stop each."""
    settings = config.settings
    clock = WallClock()
    report = SelfReport()
    export = exporter_of(settings)
    sinks: list[Callable[[Sequence[Sample]], object]] = [report.take]
    if export is not None:
        then("OTLP export", export.close)
        sinks.append(export.offer)
        report.own = lambda: export.report(clock.now())
        say(f"OTLP     {settings.otlp_endpoint} ({settings.otlp_protocol})")
    elif not settings.agent_port:
        raise ConfigError(
            "the agent has nowhere to put what it reads: set --otlp-endpoint or --agent-port"
        )
    if settings.agent_port:
        page = PageServer(settings.host, settings.agent_port, report.page)
        page.start()
        then("page", page.stop)
        say(f"Page     http://{settings.host}:{settings.agent_port}/metrics")

    def keep(samples: Sequence[Sample]) -> None:
        for sink in sinks:
            sink(samples)

    agent = assembly.agent_of(config, keep)
    pace = Pace(settings.interval_seconds, clock)
    stop = threading.Event()

    def run() -> None:
        while (moment := pace.next(stop)) is not None:
            try:
                agent.round(moment)
            except Exception:  # the next round may well succeed
                log.exception("a round failed")

    thread = threading.Thread(target=run, name="agent", daemon=True)
    thread.start()

    def finish() -> None:
        stop.set()
        thread.join(4)
        agent.close()

    then("agent", finish)


def exporter_of(settings: Settings) -> OtlpExport | None:
    """The configured OTLP export, or None."""
    if not settings.otlp_endpoint:
        return None
    headers = {}
    if settings.otlp_token_file is not None:
        headers["authorization"] = f"Bearer {assembly.secret(settings.otlp_token_file)}"
    return OtlpExport(settings.otlp_endpoint, settings.otlp_protocol, headers)
