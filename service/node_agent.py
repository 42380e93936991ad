"""`tidegauge collect`: the agent of one node, with no store of its own."""

import threading
from collections.abc import Callable, Sequence

import structlog

from service import allocator, assembly
from service.clock import WallClock
from service.config import Config
from service.data_folder import prepare_folder
from service.life import living, say
from service.local import Pace
from service.outlets import Then, open_change_outlet, open_outlets
from service.self_report import SelfReport
from vocabulary.entities import Change
from vocabulary.errors import ConfigError
from vocabulary.samples import Sample

log = structlog.get_logger(__name__)


def run(config: Config, for_seconds: float | None) -> None:
    """Read targets and GPUs of this node; export OTLP; offer a Prometheus page."""
    allocator.settle()
    prepare_folder(config.settings.data_dir)
    with living(for_seconds) as life:
        start(config, life.then, say)
        life.wait()


def start(
    config: Config,
    then: Then,
    say: Callable[[str], None],
) -> None:
    """Start reading, exporting and offering the page; *then* remembers how to stop each."""
    settings = config.settings
    if not settings.otlp_endpoint and not settings.agent_port:
        raise ConfigError(
            "the agent has nowhere to put what it reads: set --otlp-endpoint or --agent-port"
        )
    clock = WallClock()
    report = SelfReport()
    sinks = [report.take, *open_outlets(settings, clock, report, then, say)]
    outlet = open_change_outlet(settings, clock, report, then)

    def tell(changes: Sequence[Change]) -> None:
        if outlet is not None:
            outlet.offer(changes)

    sources = assembly.change_sources(config, clock, tell, node=True, cluster=False)
    sinks.append(sources.observe)

    def keep(samples: Sequence[Sample]) -> None:
        for sink in sinks:
            sink(samples)

    sources.start()
    then("changes", sources.close)
    agent = assembly.agent_of(config, keep, sources.pods)
    pace = Pace(settings.interval_seconds, clock)
    stop = threading.Event()

    def run() -> None:
        while (moment := pace.next(stop)) is not None:
            try:
                agent.round(moment)
                sources.hand_over()
            except Exception:  # the next round may well succeed
                log.exception("a round failed")

    thread = threading.Thread(target=run, name="agent", daemon=True)
    thread.start()

    def finish() -> None:
        stop.set()
        thread.join(4)
        agent.close()

    then("agent", finish)
