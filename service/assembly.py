"""Building the parts out of the configuration: every room's plugins, stores and clients."""

import dataclasses
import os
import socket
from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any, TypeVar, cast

import collectors
import detectors
import remediations
from collectors._api import ApiCollector
from collectors._dialect import dialect
from collectors._exposition import Limits, parse
from collectors._reading import PageCollector, PageReader, recognise
from collectors.kernel_log import KernelLog
from collectors.kubelet import Kubelet
from fleet.xids import shipped
from incidents.alertmanager import Alertmanager, AlertmanagerSettings
from incidents.desk import IncidentDesk
from incidents.settings import DeskSettings
from metering.budgets import Budget, budgets_of
from metering.ledger import Ledger
from metering.price_files import read_price_file
from metering.prices import PriceBook, Unpriced, load_book
from service.agent import Agent, Hardware
from service.change_sources import MEMORY_FILE, ChangeSources, remembered
from service.config import Config
from service.kubernetes.api_server import api_server
from service.kubernetes.cluster_watch import ClusterWatch
from service.kubernetes.gpu_shares import GpuShares
from service.kubernetes.pod_pages import PodRules, find_pages
from service.kubernetes.pod_watch import PodWatch
from service.kubernetes.process_owners import ProcessOwners
from service.kubernetes.resource_slices import ResourceSlices
from service.reach import HttpReach
from service.scrape_entries import accesses, static_targets, trust
from service.settings import Settings
from service.targets_file import TargetsFile
from store.embedded import EmbeddedStore
from store.prometheus import PrometheusStore
from store.records import IncidentRecords
from vocabulary.contracts import Clock, Collector, Detector, Remediation, Scope, Target
from vocabulary.discovery import discover
from vocabulary.entities import Change, Gpu
from vocabulary.errors import ConfigError, SourceError
from vocabulary.samples import Sample, labels_of
from vocabulary.signals import TARGET_UP

Shared = TypeVar("Shared", Collector, Detector)
STORE_FOLDER = "series"
CLAIMS_SECONDS = 1.0
"""Seconds the API has to begin to tell of claimed devices, within a round of the agent."""
LEDGER_FILE = "usage.sqlite"
CONTROL_FILE = "control.sqlite"


def open_store(settings: Settings, clock: Clock) -> EmbeddedStore:
    """The embedded store in the data directory."""
    return EmbeddedStore(
        settings.data_dir / STORE_FOLDER,
        retention_seconds=settings.retention_days * 86400.0,
        max_bytes=int(settings.max_store_gib * 2**30),
        now=clock.now,
    )


def backend(config: Config, clock: Clock) -> PrometheusStore | None:
    """The Prometheus-compatible backend to ask instead, when one is configured.

    A backend that holds our agents' series is asked in our words, any other in the servers' own.

    Raises:
        StoreUnreachable: It does not answer.
    """
    url = config.settings.prometheus_url
    if not url:
        return None
    ours = PrometheusStore(url)
    now = clock.now()
    if not ours.evaluate(TARGET_UP, now - 900.0, now, 60.0).empty:
        return ours
    ours.close()
    return PrometheusStore(url, dialect=dialect(page_collectors(config)))


def ledger_of(
    settings: Settings, book: PriceBook, pool_of: Callable[[str], str] = lambda _: ""
) -> Ledger:
    """The usage ledger in the data directory."""
    return Ledger(settings.data_dir / LEDGER_FILE, book, pool_of)


def price_book(settings: Settings, *, demo: bool = False) -> PriceBook:
    """Shipped list prices, and over them the user's own; *demo* adds the simulation's."""
    return load_book(settings.price_file, settings.gpu_usd_per_hour, demo=demo)


def budgets(settings: Settings) -> tuple[Budget, ...]:
    """Budgets that the user's price file lists."""
    if settings.price_file is None:
        return ()
    return budgets_of(read_price_file(settings.price_file).get("budgets", ()))


def alertmanager_of(
    config: Config, records: IncidentRecords, clock: Clock, *, live: bool
) -> Alertmanager:
    """The Alertmanagers to tell; none under a simulated clock."""
    peers, how = (
        config.settings.alertmanager_urls,
        config.part("alertmanager", AlertmanagerSettings),
    )
    return Alertmanager(peers, records, clock, live=live, settings=how)


def desk_of(
    config: Config,
    records: IncidentRecords,
    book: PriceBook,
    clock: Clock,
    receivers: Sequence[str],
) -> IncidentDesk:
    """The incident desk with every action card."""
    settings = config.settings
    console = f"http://{settings.host}:{settings.console_port}"

    def price(gpu: Gpu) -> Decimal | None:
        found = book.gpu_price(gpu.model)
        return None if isinstance(found, Unpriced) else found.usd_per_hour

    return IncidentDesk(
        records,
        all_remediations(config),
        clock,
        price=price,
        base_url=settings.external_url or console,
        receivers=receivers,
        settings=config.part("incidents", DeskSettings, max_pages_per_week=settings.pages_per_week),
    )


def all_collectors(config: Config) -> dict[str, Collector]:
    """Every discovered collector with its configured settings."""
    built = config.build("collectors", discover(collectors, Collector))  # type: ignore[type-abstract]
    key = config.settings.tenant_key
    if not key:
        return built
    # pseudonyms under one key everywhere, so that pages and spans name tenants alike
    return {name: _given(one, "pseudonym_key", key) for name, one in built.items()}


def _given(plugin: Shared, name: str, value: object) -> Shared:
    """*plugin* with what all that have a field *name* share: one key, one Xid catalogue."""
    fields = {item.name for item in dataclasses.fields(cast("Any", plugin))}
    if name not in fields:
        return plugin
    return cast("Shared", dataclasses.replace(cast("Any", plugin), **{name: value}))


def page_collectors(config: Config) -> dict[str, PageCollector]:
    """Collectors whose source is a page."""
    return {n: c for n, c in all_collectors(config).items() if isinstance(c, PageCollector)}


def all_detectors(config: Config) -> dict[str, Detector]:
    """Every discovered detector with its configured settings."""
    built = config.build("detectors", discover(detectors, Detector))  # type: ignore[type-abstract]
    file = config.settings.xid_file
    if file is None:
        return built
    xids = shipped().with_site(file)
    return {name: _given(one, "_xids", xids) for name, one in built.items()}


def all_remediations(config: Config) -> list[Remediation]:
    """Every discovered action card with its configured settings."""
    found = config.build("remediations", discover(remediations, Remediation))  # type: ignore[type-abstract]
    return list(found.values())


def page_reader(config: Config, timeout_seconds: float = 0.0) -> PageReader:
    """Reads any page with whichever collector recognises it, within the configured time."""
    pages = page_collectors(config)
    apis = {n: c for n, c in all_collectors(config).items() if isinstance(c, ApiCollector)}
    settings = config.settings
    limits = Limits(bytes=int(settings.max_page_mib * 2**20))
    seconds = timeout_seconds or settings.timeout_seconds
    return PageReader(pages, seconds, limits, apis=apis)


def node_collectors(config: Config, *, in_cluster: bool = False) -> dict[str, Collector]:
    """Collectors of this node's hardware; the kubelet is one only *in_cluster*."""
    if not config.settings.gpus:
        return {}
    return {
        name: one
        for name, one in all_collectors(config).items()
        if one.scope is Scope.NODE and _has_source(one, in_cluster)
    }


def _has_source(collector: Collector, in_cluster: bool) -> bool:
    """Whether there is anything to ask: no kubelet outside a cluster, no log that nobody named."""
    if isinstance(collector, KernelLog):
        return bool(collector.path)
    return in_cluster or not isinstance(collector, Kubelet)


def reach_for(config: Config) -> HttpReach:
    """The world outside, within limits, entered as configured."""
    settings = config.settings
    return HttpReach(
        int(settings.max_page_mib * 2**20),
        trust(settings),
        accesses(settings, config.parts.get("scrape", {})),
    )


def node_name(settings: Settings) -> str:
    """What this node is called."""
    return settings.node or socket.gethostname()


def node_target(settings: Settings) -> Target:
    """Who this node is, for hardware collectors."""
    return Target("node", labels_of({"cluster": settings.cluster, "node": node_name(settings)}))


def pod_watch(
    config: Config, clock: Clock, remembered: Mapping[str, Any] | None = None
) -> PodWatch | None:
    """Who follows the pods of this node, and *remembered* them; None outside a cluster.

    Raises:
        ConfigError: It is demanded, and this is no pod of a cluster.
    """
    settings = config.settings
    api = api_server(settings.kubernetes, os.environ)
    if api is None:
        return None
    node = node_name(settings)
    return PodWatch(api, node, settings.cluster, clock.now, remembered=remembered or {})


def cluster_watch(
    config: Config, clock: Clock, remembered: Mapping[str, Any] | None = None
) -> ClusterWatch | None:
    """Who follows what is done to the whole cluster; None outside of one.

    Raises:
        ConfigError: It is demanded, and this is no pod of a cluster.
    """
    settings = config.settings
    api = api_server(settings.kubernetes, os.environ)
    if api is None:
        return None
    return ClusterWatch(
        api, settings.cluster, clock.now, settings.pod_labels, remembered=remembered or {}
    )


def change_sources(
    config: Config,
    clock: Clock,
    tell: Callable[[Sequence[Change]], object],
    *,
    node: bool,
    cluster: bool,
) -> ChangeSources:
    """Who sees changes here: of this *node*, of the whole *cluster*, and in samples."""
    file = config.settings.data_dir / MEMORY_FILE
    known = remembered(file)
    sources = ChangeSources(
        tell,
        file,
        pod_watch(config, clock, known.get("pods")) if node else None,
        cluster_watch(config, clock, known.get("cluster")) if cluster else None,
    )
    sources.samples.restore(known.get("drivers", {}))
    return sources


def pod_rules(settings: Settings) -> PodRules:
    """Which pods are read, and who they are."""
    return PodRules(
        settings.cluster,
        node_name(settings),
        settings.pod_labels,
        settings.pods_on_host_network,
        settings.pod_annotations,
        settings.pod_port_names,
        settings.pod_commands,
        settings.pod_look_inside,
    )


def agent_of(
    config: Config, keep: Callable[[Sequence[Sample]], object], pods: PodWatch | None = None
) -> Agent:
    """The agent of this node; it reads *pods* too, where somebody follows them."""

    def deliver(moment: float, samples: list[Sample]) -> None:
        del moment
        keep(samples)

    settings = config.settings
    reach = reach_for(config)
    node = node_target(settings)
    fixed = static_targets(settings)
    listed = targets_file(settings)

    def targets() -> Sequence[Target]:
        told = [*fixed, *(listed.targets() if listed is not None else ())]
        if pods is None:
            return told
        return [*told, *find_pages(pods.pods(), pod_rules(settings)).targets]

    shares = GpuShares()
    if pods is not None:
        quick = dataclasses.replace(pods.api, timeout_seconds=CLAIMS_SECONDS)
        slices = ResourceSlices(quick, pods.node)
        reach = dataclasses.replace(reach, listed=pods.pods, find_device=slices.find)
    return Agent(
        targets=targets,
        read=page_reader(config).read,
        reach=reach,
        deliver=deliver,
        hardware=[
            Hardware(name, _with_owners(collector, settings, pods), node, reach)
            for name, collector in node_collectors(config, in_cluster=pods is not None).items()
        ],
        derive=shares.of,
        # late beginners among very many targets have their time too, and the round its interval
        deadline_seconds=max(settings.timeout_seconds + 1.0, 0.6 * settings.interval_seconds),
    )


def targets_file(settings: Settings) -> TargetsFile | None:
    """The file of more pages, read once; None where none is named.

    Raises:
        ConfigError: It cannot be used.
    """
    if settings.targets is None:
        return None
    file = TargetsFile(settings.targets, settings.cluster)
    file.look()
    return file


def _with_owners(collector: Collector, settings: Settings, pods: PodWatch | None) -> Collector:
    """With the pods of processes, where both pods and processes can be seen."""
    if pods is None or settings.host_proc is None or isinstance(collector, Kubelet | KernelLog):
        return collector
    return ProcessOwners(collector, settings.host_proc)


def recogniser() -> Callable[[bytes], str | None]:
    """A function that names the kind of server a page belongs to."""
    known = discover(collectors, Collector)  # type: ignore[type-abstract]
    pages = {n: c() for n, c in known.items() if issubclass(c, PageCollector)}

    def name(body: bytes) -> str | None:
        try:
            return recognise(parse(body, Limits()).layout.names, pages)
        except SourceError:
            return None

    return name


def secret(file: Path) -> str:
    """The content of a secret's file."""
    try:
        return file.read_text(encoding="utf-8").strip()
    except OSError as error:
        raise ConfigError(f"cannot read {file}: {error.strerror}") from error
