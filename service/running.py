"""The long-running commands: what they start, in which order, and how they stop.

Ctrl-C or SIGTERM ends each within five seconds: the loop finishes its turn, servers finish their
answers, files are committed and closed, and the console, a process of its own, is ended by id.
"""

import contextlib
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from types import FrameType
from typing import Any

import structlog

from service import assembly, console_process, core
from service.agent import Agent, Hardware
from service.api.application import create_app, receiver_of
from service.client import TOKEN_FILE
from service.clock import WallClock
from service.config import Config, Settings
from service.local import Loop, Pace
from service.network import demand_free
from service.otlp import over_grpc
from service.server import HttpServer
from vocabulary.incidents import Incident, IncidentState, incident_json
from vocabulary.samples import Sample

log = structlog.get_logger(__name__)


@dataclass(slots=True)
class Life:
    """Ends when a signal says so or the time is over; then undoes what was started, in reverse."""

    for_seconds: float | None = None
    ended: threading.Event = field(default_factory=threading.Event)
    _undo: list[tuple[str, Callable[[], object]]] = field(default_factory=list)

    def then(self, name: str, undo: Callable[[], object]) -> None:
        """Remember how to undo what has just been started."""
        self._undo.append((name, undo))

    def wait(self) -> None:
        """Return when it is time to stop."""
        self.ended.wait(self.for_seconds)

    def undo(self) -> None:
        """Stop everything; one thing that fails to stop does not keep the others running."""
        while self._undo:
            name, undo = self._undo.pop()
            try:
                undo()
            except Exception:
                log.exception("could not stop", what=name)

    def _end(self, number: int, frame: FrameType | None) -> None:
        del frame
        if self.ended.is_set() and number == signal.SIGINT:
            raise KeyboardInterrupt
        self.ended.set()


@contextlib.contextmanager
def living(for_seconds: float | None) -> Iterator[Life]:
    """A life that ends by signal; whatever happens inside, what was started is stopped."""
    life = Life(for_seconds)
    before = {one: signal.signal(one, life._end) for one in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield life
    finally:
        life.undo()
        for number, handler in before.items():
            signal.signal(number, handler)


def say(line: str) -> None:
    """A line for the person at the terminal; data alone goes to stdout."""
    sys.stderr.write(line + "\n")
    sys.stderr.flush()


def run_up(
    config: Config, *, demo: bool, console: bool, for_seconds: float | None
) -> list[dict[str, Any]]:
    """Agent, server and console on this machine; gives the incidents of this data directory."""
    settings = config.settings
    _demand_ports(settings, console)
    core.prepare_folder(settings.data_dir)
    secret = core.secret_of(settings, leave_behind=True)
    with living(for_seconds) as life:
        if demo:
            from service import demo as simulated

            part, loop = simulated.prepare(config, secret, life, say)
        else:
            part, loop = _local(config, secret, life)
        part.trouble = lambda: loop.failed
        api_url = start_api(part, life)
        if console:
            start_console(settings, api_url, secret, life)
        loop.start()
        life.then("loop", loop.finish)
        say(f"API      {api_url}   token in {settings.data_dir / TOKEN_FILE}")
        say("Ctrl-C stops everything.")
        life.wait()
        loop.finish()
        incidents, _ = part.desk.list(limit=500)
        return [incident_json(one) for one in incidents]


def run_server(config: Config, for_seconds: float | None) -> None:
    """Receive OTLP, judge at the watermark, answer the API."""
    settings = config.settings
    demand_free(settings.host, settings.port, "API", "--port")
    core.prepare_folder(settings.data_dir)
    secret = core.secret_of(settings, leave_behind=False)
    with living(for_seconds) as life:
        part, loop = _local(config, secret, life)
        loop.lag = settings.interval_seconds  # agents report once an interval, over the network
        loop.agent.hardware = ()  # the nodes' own agents read their GPUs
        part.trouble = lambda: loop.failed
        api_url = start_api(part, life)
        loop.start()
        life.then("loop", loop.finish)
        say(f"API      {api_url}")
        life.wait()


def run_agent(config: Config, for_seconds: float | None) -> None:
    """Read targets and GPUs of this node; export OTLP; offer a Prometheus page."""
    from service.node_agent import start

    core.prepare_folder(config.settings.data_dir)
    with living(for_seconds) as life:
        start(config, life.then, say)
        life.wait()


def _local(config: Config, secret: str, life: Life) -> tuple[core.Core, Loop]:
    """The real thing: targets from the configuration, GPUs of this node, the wall's clock."""
    settings = config.settings
    clock = WallClock()
    part = core.build(config, clock, secret=secret)
    life.then("files", part.close)
    part.start_notifying(life.then)
    agent = agent_of(config, part.keep)
    pace = Pace(settings.interval_seconds, clock)
    return part, Loop(pace, agent, part.pipeline, after=announcing(part))


def agent_of(config: Config, keep: Callable[[Sequence[Sample]], object]) -> Agent:
    """The agent of this node."""

    def deliver(moment: float, samples: list[Sample]) -> None:
        del moment
        keep(samples)

    settings = config.settings
    reach = assembly.reach_for(settings)
    node = assembly.node_target(settings)
    targets = assembly.static_targets(settings)
    return Agent(
        targets=lambda: targets,
        read=assembly.page_reader(config).read,
        reach=reach,
        deliver=deliver,
        hardware=[
            Hardware(name, collector, node, reach)
            for name, collector in assembly.node_collectors(config).items()
        ],
        deadline_seconds=settings.timeout_seconds + 1.0,
    )


def announcing(part: core.Core) -> Callable[[float, Sequence[Incident]], None]:
    """Tell the person at the terminal what opened and what was resolved."""
    told: dict[str, IncidentState] = {}

    def after(moment: float, changed: Sequence[Incident]) -> None:
        part.after_tick(moment)
        for one in changed:
            if told.get(one.id) is one.state or one.merged_into:
                continue
            told[one.id] = one.state
            if one.state in {IncidentState.OPEN, IncidentState.RESOLVED}:
                say(f"{one.state.value:<8} {one.severity.value:<8} {one.headline}")

    return after


def start_api(part: core.Core, life: Life) -> str:
    """HTTP API and OTLP receivers; gives the API's address."""
    settings = part.settings
    wiring = part.wiring()
    receiver = receiver_of(wiring)
    server = HttpServer(
        create_app(wiring, receiver), settings.host, settings.port, settings.tls_cert,
        settings.tls_key,
    )  # fmt: skip
    server.start()
    life.then("API", server.stop)
    if settings.otlp_grpc_port:
        address = f"{settings.host}:{settings.otlp_grpc_port}"
        grpc_server, _ = over_grpc.listen(
            receiver, wiring.doors, part.clock, address, _credentials(settings)
        )
        life.then("OTLP over gRPC", lambda: grpc_server.stop(1).wait(2))
    scheme = "http" if settings.tls_cert is None else "https"
    return f"{scheme}://{settings.host}:{settings.port}"


def _credentials(settings: Settings) -> Any:
    if settings.tls_cert is None or settings.tls_key is None:
        return None
    import grpc  # type: ignore[import-untyped]

    pair = (settings.tls_key.read_bytes(), settings.tls_cert.read_bytes())
    return grpc.ssl_server_credentials([pair])


def start_console(settings: Settings, api_url: str, secret: str, life: Life) -> None:
    """The console as a process of its own."""
    process = console_process.start(settings, api_url, secret)
    life.then("console", lambda: _end_process(process))
    say(f"Console  http://{settings.host}:{settings.console_port}")


def _end_process(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(2)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait(1)


def _demand_ports(settings: Settings, console: bool) -> None:
    demand_free(settings.host, settings.port, "API", "--port")
    if console:
        demand_free(settings.host, settings.console_port, "console", "--console-port")
    if settings.otlp_grpc_port:
        demand_free(
            settings.host, settings.otlp_grpc_port, "OTLP receiver (gRPC)",
            "otlp_grpc_port in tidegauge.yaml or TIDEGAUGE_OTLP_GRPC_PORT (0: none)",
        )  # fmt: skip


def elapsed(began: float) -> str:
    """Seconds since *began* as a person reads them."""
    return f"{time.monotonic() - began:.1f} s"
