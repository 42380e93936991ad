"""`tidegauge collect`: the agent of one node, with no store of its own."""

import threading
from collections.abc import Callable, Sequence

import structlog

from service import assembly
from service.clock import WallClock
from service.config import Config
from service.kubernetes.pod_watch import PodWatch
from service.local import Pace
from service.outlets import Then, open_outlets
from service.self_report import SelfReport
from vocabulary.errors import ConfigError
from vocabulary.samples import Sample

log = structlog.get_logger(__name__)


def follow(pods: PodWatch, then: Then) -> None:
    """Begin to follow the pods of this node; *then* remembers how to stop."""
    pods.start()
    then("pods", pods.close)


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

    def keep(samples: Sequence[Sample]) -> None:
        for sink in sinks:
            sink(samples)

    pods = assembly.pod_watch(config, clock)
    if pods is not None:
        follow(pods, then)
    agent = assembly.agent_of(config, keep, pods)
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
