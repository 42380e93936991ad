"""Where an agent's samples go besides a store: OTLP to a backend, and a page for a scraper."""

import secrets
from collections.abc import Callable, Sequence
from pathlib import Path
from urllib.parse import urlsplit

from service import assembly
from service.doors import is_loopback
from service.otlp.forward import Forward, ForwardSettings
from service.otlp_export import OtlpExport
from service.otlp_logs_out import SPOOL_FILE, ChangeExport
from service.otlp_send import Sender, sender_of
from service.page_server import PageServer
from service.self_report import SelfReport
from service.settings import Settings
from vocabulary.contracts import Clock
from vocabulary.errors import ConfigError
from vocabulary.samples import Sample

Sink = Callable[[Sequence[Sample]], object]
Then = Callable[[str, Callable[[], object]], object]
"""Remembers by name how to stop what was started."""


def open_outlets(
    settings: Settings, clock: Clock, report: SelfReport, then: Then, say: Callable[[str], None]
) -> list[Sink]:
    """Start the configured outlets; gives what samples must be handed to."""
    sinks: list[Sink] = []
    export = exporter_of(settings)
    if export is not None:
        then("OTLP export", export.close)
        own = report.own
        report.own = lambda: [*own(), *export.report(clock.now())]
        say(f"Export   {settings.otlp_endpoint} (OTLP over {settings.otlp_protocol})")
        sinks.append(export.offer)
    if settings.agent_port:
        _demand_trust(settings)
        page = PageServer(settings.host, settings.agent_port, report.page)
        page.start()
        then("page", page.stop)
        say(f"Page     http://{settings.host}:{settings.agent_port}/metrics")
    return sinks


def open_change_outlet(
    settings: Settings, clock: Clock, report: SelfReport, then: Then
) -> ChangeExport | None:
    """Start the export of changes to where the samples go; None where they go nowhere."""
    if not settings.otlp_endpoint:
        return None
    about = {
        "service.name": "tidegauge-agent",
        "k8s.cluster.name": settings.cluster,
        "k8s.node.name": assembly.node_name(settings),
    }
    sender = endpoint_sender(settings)
    export = ChangeExport(sender, about, settings.data_dir / SPOOL_FILE)
    then("OTLP changes", export.close)
    own = report.own
    report.own = lambda: [*own(), *export.report(clock.now())]
    return export


def endpoint_sender(settings: Settings) -> Sender:
    """Reaches the endpoint that our own samples and changes are exported to."""
    headers = {}
    if settings.otlp_token_file is not None:
        headers["authorization"] = f"Bearer {assembly.secret(settings.otlp_token_file)}"
    return sender_of(
        settings.otlp_endpoint, settings.otlp_protocol, headers,
        compress=settings.otlp_gzip, ca_file=settings.otlp_ca_file,
    )  # fmt: skip


def exporter_of(settings: Settings) -> OtlpExport | None:
    """The configured OTLP export, or None."""
    return OtlpExport(endpoint_sender(settings)) if settings.otlp_endpoint else None


def open_forward(
    settings: Settings, onward: ForwardSettings, then: Then, say: Callable[[str], None]
) -> Forward | None:
    """Start sending on what the receiver takes; None where nothing asks for it.

    Raises:
        ConfigError: The endpoint is ourselves, a file cannot be read, or a header is none.
    """
    if not onward.endpoint:
        return None
    parts = urlsplit(onward.endpoint if "://" in onward.endpoint else f"//{onward.endpoint}")
    own_ports = {settings.port, settings.otlp_grpc_port}
    if is_loopback(parts.hostname or "") and parts.port in own_ports:
        raise ConfigError(
            f"otlp_forward.endpoint is {onward.endpoint}, which is this server: it would send to "
            "itself for ever; name another collector, or leave it empty"
        )
    forward = Forward(forward_sender(onward), onward, secrets.token_hex(8))
    then("OTLP forward", forward.close)
    say(f"Forward  {onward.endpoint} (OTLP over {onward.protocol})")
    return forward


def forward_sender(onward: ForwardSettings) -> Sender:
    """Reaches the endpoint that received spans and metrics are sent on to."""
    headers: dict[str, str] = {}
    for entry in filter(None, (one.strip() for one in onward.headers.split(","))):
        name, mark, value = entry.partition("=")
        if not mark or not name.strip():
            raise ConfigError("otlp_forward.headers: write NAME=VALUE, separated by commas")
        headers[name.strip().lower()] = value.strip()
    if onward.token_file:
        headers["authorization"] = f"Bearer {assembly.secret(Path(onward.token_file))}"
    ca_file = Path(onward.ca_file) if onward.ca_file else None
    return sender_of(onward.endpoint, onward.protocol, headers, ca_file=ca_file)


def _demand_trust(settings: Settings) -> None:
    """The page asks for no token, so that any scraper can read it: beyond loopback say so."""
    if not is_loopback(settings.host) and not settings.allow_insecure:
        raise ConfigError(
            f"refusing to offer the agent's page on {settings.host}: it asks for no token; "
            "set allow_insecure where the network is trusted, or agent_port to 0"
        )
