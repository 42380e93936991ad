"""What Tidegauge can and cannot see here, and why: each line with its mend."""

import os
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType

import httpx2

from incidents.receivers._receiver import Receiver
from service.attribution_checks import GpuNode, attribution
from service.change_checks import cluster_changes
from service.checks import Check, Verdict
from service.kubernetes.api_server import ApiServer, api_server
from service.kubernetes.pod_objects import pod_of
from service.kubernetes.pod_pages import PodRules, find_pages
from service.listeners import listener_on
from service.network import port_is_free
from service.otlp.forward import ForwardSettings
from service.otlp_checks import otlp_endpoints
from service.reach import HttpReach
from service.receivers import receiver_checks
from service.settings import Settings
from service.targets_file import TargetsFile
from vocabulary.errors import ConfigError, SourceError
from vocabulary.pods import Pod


def examine(
    settings: Settings,
    reach: HttpReach,
    recognise: Callable[[bytes], str | None],
    rules: PodRules,
    onward: ForwardSettings,
    receivers: Mapping[str, Receiver] = MappingProxyType({}),
) -> Iterator[Check]:
    """Look at everything this configuration asks for, in the order data flows."""
    yield _python()
    yield _data_folder(settings.data_dir)
    yield from _ports(settings)
    yield from _targets(settings, reach, recognise)
    api = api_server(settings.kubernetes, os.environ)
    pods, checks = _pods(api, rules)
    seen = replace(reach, listed=lambda: pods)
    yield from attribution(GpuNode(settings, seen, api, rules.node, pods))
    yield from checks
    yield from cluster_changes(api)
    yield from otlp_endpoints(settings, onward)
    if settings.prometheus_url:
        yield _http("prometheus", f"{settings.prometheus_url.rstrip('/')}/api/v1/query?query=1")
    for url in settings.alertmanager_urls:
        yield _http(f"alertmanager {url}", f"{url.rstrip('/')}/api/v2/status")
    yield from receiver_checks(receivers)
    if not settings.alertmanager_urls and not receivers:
        yield Check(
            "alertmanager", Verdict.ABSENT, "no Alertmanager is configured, so nothing pages",
            "set alertmanager_urls, for example http://127.0.0.1:9093, or receivers",
        )  # fmt: skip


def _python() -> Check:
    found = ".".join(str(part) for part in sys.version_info[:3])
    return Check("python", Verdict.OK, f"Python {found} on {sys.platform}")


def _data_folder(folder: Path) -> Check:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        probe = folder / ".probe"
        probe.write_bytes(b"")
        probe.unlink()
        usage = os.statvfs(folder)
    except OSError as error:
        return Check(
            "data folder", Verdict.BLIND, f"{folder}: {error.strerror}",
            "name a writable folder with --data-dir",
        )  # fmt: skip
    free_gib = usage.f_bavail * usage.f_frsize / 2**30
    if free_gib < 1:
        return Check(
            "data folder", Verdict.BLIND, f"{folder}: {free_gib:.1f} GiB free", "free some space"
        )
    return Check("data folder", Verdict.OK, f"{folder} is writable, {free_gib:.0f} GiB free")


def _ports(settings: Settings) -> Iterator[Check]:
    wanted = {
        "API": settings.port,
        "console": settings.console_port,
        "OTLP over gRPC": settings.otlp_grpc_port,
        "agent page": settings.agent_port,
    }
    for name, port in wanted.items():
        if port == 0:
            continue
        if port_is_free(settings.host, port):
            yield Check(f"port {port}", Verdict.OK, f"free for the {name}")
        else:
            yield _taken(name, port)


def _taken(name: str, port: int) -> Check:
    """Whether a port that is taken is held by ourselves."""
    holder = listener_on(port)
    if holder is None:
        what = f"taken by a process that this user may not see: our own {name}, or another program"
        mend = "if it is not ours, stop that program or choose another port"
        return Check(f"port {port}", Verdict.ABSENT, what, mend)
    if holder.ours:
        return Check(f"port {port}", Verdict.OK, f"our own {name} runs there (pid {holder.pid})")
    return Check(
        f"port {port}", Verdict.BLIND, f"taken by {holder.name} (pid {holder.pid}): no {name}",
        "stop that program or choose another port",
    )  # fmt: skip


def _targets(
    settings: Settings, reach: HttpReach, recognise: Callable[[bytes], str | None]
) -> Iterator[Check]:
    yield from _file_of_targets(settings)
    if not settings.scrape and settings.targets is None:
        yield Check(
            "targets", Verdict.ABSENT, "no page of a model server or gateway is configured",
            "name one with --scrape http://HOST:PORT/metrics",
        )  # fmt: skip
    for url in settings.scrape:
        try:
            page = reach.get(url, {}, settings.timeout_seconds)
        except SourceError as error:
            yield Check(
                url, Verdict.BLIND, f"{error.verdict}: {error}", _MENDS.get(error.verdict, "")
            )
            continue
        source = recognise(page.body)
        if source is None:
            yield Check(
                url, Verdict.BLIND, "answers, and bears no metric names that we know",
                "is this the metrics page of a model server or gateway?",
            )  # fmt: skip
        else:
            unchecked = url.startswith("https:") and reach.access_of(url).insecure
            yield Check(
                url, Verdict.OK, f"{source}, {len(page.body)} bytes in {page.seconds:.3f} s"
                + (", its certificate NOT checked (insecure)" if unchecked else ""),
            )  # fmt: skip


def _file_of_targets(settings: Settings) -> Iterator[Check]:
    if settings.targets is None:
        return
    file = TargetsFile(settings.targets, settings.cluster)
    try:
        file.look()
    except ConfigError as error:
        yield Check("file of targets", Verdict.BLIND, str(error), "mend the file, or name another")
        return
    what = f"{settings.targets} lists {len(file.targets())} pages"
    yield Check("file of targets", Verdict.OK, what)


_MENDS = {
    "down": "is the server running, and is the port right?",
    "hung": "it accepts connections and stays silent: look at it, or raise timeout_seconds",
    "unauthorised": "give the token with scrape_token_file, or bearer_token_file of this page",
    "tls": "give ca_file, cert_file or server_name of this page, or scrape_ca_file for all",
    "redirected": "name the URL it gives, or set scrape_redirects: same-host",
    "unreadable": "is this URL the metrics page (usually /metrics)?",
    "oversized": "raise max_page_mib, or cut the page's cardinality",
}


def _pods(api: ApiServer | None, rules: PodRules) -> tuple[Sequence[Pod], list[Check]]:
    """Pods of this node, and what can be read of them."""
    name = "kubernetes"
    if api is None:
        return (), [Check(name, Verdict.ABSENT, "not running in a cluster, or switched off")]
    try:
        bodies, _ = api.list_pods(rules.node)
    except SourceError as error:
        what, _, mend = str(error).partition(": ")
        cost = "pods, their pages, and who holds which GPU stay unknown"
        mend = mend or "is the API reachable from here?"
        return (), [Check(name, Verdict.BLIND, f"{what}: {cost}", mend)]
    finally:
        api.close()
    pods = [pod_of(body) for body in bodies]
    found = find_pages(pods, rules)
    checks = [
        Check(
            name,
            Verdict.OK,
            f"{len(pods)} pods on {rules.node}, {len(found.targets)} pages of theirs to read",
        )
    ]
    for who, why in found.refused:
        checks.append(Check(f"pod {who}", Verdict.ABSENT, "is not read", why))
    return pods, checks


def _http(name: str, url: str) -> Check:
    try:
        answer = httpx2.get(url, timeout=5.0, trust_env=False)
    except httpx2.HTTPError as error:
        return Check(name, Verdict.BLIND, f"no answer ({type(error).__name__})", "is it running?")
    if answer.status_code >= 400:
        return Check(
            name, Verdict.BLIND, f"HTTP {answer.status_code}", "check the address and its token"
        )
    return Check(name, Verdict.OK, "answers")
