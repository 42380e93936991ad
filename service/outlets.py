"""Where an agent's samples go besides a store: OTLP to a backend, and a page for a scraper."""

from collections.abc import Callable, Sequence

from service import assembly
from service.config import Settings
from service.doors import is_loopback
from service.otlp_export import OtlpExport
from service.otlp_logs_out import SPOOL_FILE, ChangeExport
from service.otlp_send import Sender, sender_of
from service.self_report import SelfReport
from service.server import PageServer
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
    sender = _sender(settings)
    export = ChangeExport(sender, about, settings.data_dir / SPOOL_FILE)
    then("OTLP changes", export.close)
    own = report.own
    report.own = lambda: [*own(), *export.report(clock.now())]
    return export


def _sender(settings: Settings) -> Sender:
    headers = {}
    if settings.otlp_token_file is not None:
        headers["authorization"] = f"Bearer {assembly.secret(settings.otlp_token_file)}"
    return sender_of(
        settings.otlp_endpoint, settings.otlp_protocol, headers,
        compress=settings.otlp_gzip, ca_file=settings.otlp_ca_file,
    )  # fmt: skip


def exporter_of(settings: Settings) -> OtlpExport | None:
    """The configured OTLP export, or None."""
    return OtlpExport(_sender(settings)) if settings.otlp_endpoint else None


def _demand_trust(settings: Settings) -> None:
    """The page asks for no token, so that any scraper can read it: beyond loopback say so."""
    if not is_loopback(settings.host) and not settings.allow_insecure:
        raise ConfigError(
            f"refusing to offer the agent's page on {settings.host}: it asks for no token; "
            "set allow_insecure where the network is trusted, or agent_port to 0"
        )
