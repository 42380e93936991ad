"""The long-running commands: what they start, in which order, and how they stop.

Ctrl-C or SIGTERM ends each within five seconds: the loop finishes its turn, servers finish their
answers, files are committed and closed, and the console, a process of its own, is ended by id.
"""

import subprocess
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from service import allocator, assembly, console_process, core
from service.announcement import announcing
from service.api.application import create_app, receiver_of
from service.client import TOKEN_FILE
from service.clock import WallClock
from service.config import Config
from service.data_folder import prepare_folder
from service.life import Life, living, say
from service.local import Loop, Pace
from service.network import demand_free, port_is_free
from service.otlp import over_grpc
from service.outlets import open_change_outlet, open_forward, open_outlets
from service.server import HttpServer
from service.settings import Settings
from vocabulary.entities import Change
from vocabulary.incidents import incident_json
from vocabulary.samples import Sample

if TYPE_CHECKING:
    from service.drill.case import Case


def run_up(
    config: Config,
    *,
    demo: bool,
    console: bool,
    for_seconds: float | None,
    case: "Case | None" = None,
) -> list[dict[str, Any]]:
    """Agent, server and console on this machine; gives the incidents of this data directory.

    A demo shows its storyline, or a *case* of a drill.
    """
    allocator.settle()
    config = _with_free_ports(config, console)
    settings = config.settings
    prepare_folder(settings.data_dir, simulated=demo)
    secret = core.secret_of(settings, leave_behind=True)
    with living(for_seconds) as life:
        if demo:
            from service import demo as simulated  # heavy, and of no use outside of it

            part, loop = simulated.prepare(config, secret, life, say, case)
        else:
            part, loop = _local(config, secret, life, own_node=True)
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
    prepare_folder(settings.data_dir)
    secret = core.secret_of(settings, leave_behind=False)
    with living(for_seconds) as life:
        part, loop = _local(config, secret, life, own_node=False)
        loop.lag = settings.interval_seconds  # agents report once an interval, over the network
        loop.agent.hardware = ()  # the nodes' own agents read their GPUs
        part.trouble = lambda: loop.failed
        api_url = start_api(part, life)
        loop.start()
        life.then("loop", loop.finish)
        say(f"API      {api_url}")
        life.wait()


def _local(config: Config, secret: str, life: Life, *, own_node: bool) -> tuple[core.Core, Loop]:
    """The real thing: targets from the configuration, GPUs of this node, the wall's clock.

    Only on its *own node* does it follow pods, and offer what it reads to others: a server has
    agents for that. What is done to the whole cluster it follows either way, since no agent does.
    """
    settings = config.settings
    clock = WallClock()
    part = core.build(config, clock, secret=secret)
    life.then("files", part.close)
    part.start_notifying(life.then)
    sinks = open_outlets(settings, clock, part.report, life.then, say) if own_node else []

    outlet = open_change_outlet(settings, clock, part.report, life.then) if own_node else None

    def tell(changes: Sequence[Change]) -> None:
        part.take_changes(changes)
        if outlet is not None:
            outlet.offer(changes)

    sources = assembly.change_sources(config, clock, tell, node=own_node, cluster=True)
    sinks.append(sources.observe)

    def keep(samples: Sequence[Sample]) -> None:
        part.keep(samples)
        for sink in sinks:
            sink(samples)

    agent = assembly.agent_of(config, keep, sources.pods)
    pace = Pace(settings.interval_seconds, clock)
    loop = Loop(pace, agent, part.pipeline, after=announcing(part, say))
    sources.start()
    life.then("changes", sources.close)
    loop.before = lambda _: sources.hand_over()
    return part, loop


def start_api(part: core.Core, life: Life) -> str:
    """HTTP API and OTLP receivers; gives the API's address."""
    settings = part.settings
    wiring = part.wiring()
    forward = open_forward(settings, part.onward, life.then, say)
    if forward is not None:
        part.forwarding = forward.trouble
    receiver = receiver_of(wiring, forward)
    own = part.report.own
    part.report.own = lambda: [*own(), *receiver.own_samples()]
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
    console_process.demand_trust(settings)
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


def _with_free_ports(config: Config, console: bool) -> Config:
    """Refuse taken ports; go on without those that are taken and that nobody asked for."""
    settings = config.settings
    demand_free(settings.host, settings.port, "API", "--port")
    if console:
        demand_free(settings.host, settings.console_port, "console", "--console-port")
    without: dict[str, Any] = {}
    for key, who in (("otlp_grpc_port", "OTLP over gRPC"), ("agent_port", "the agent's page")):
        port = getattr(settings, key)
        mend = f"{key} (tidegauge.yaml or TIDEGAUGE_{key.upper()}; 0 for none)"
        if not port or port_is_free(settings.host, port):
            continue
        if key in config.sources:
            demand_free(settings.host, port, who, mend)
        say(f"Without  {who}: port {port} is taken; name another with {mend}")
        without[key] = 0
    return replace(config, settings=replace(settings, **without))
