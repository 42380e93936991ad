"""What every server has: store, ledger, fleet, detectors, desk, doors, and the API over them."""

import math
import os
import secrets
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from importlib.metadata import version
from typing import Any

import structlog

from fleet.roofline import Roofline
from fleet.topology import FleetView
from incidents.alertmanager import Alertmanager
from incidents.courier import Courier
from incidents.desk import IncidentDesk
from metering.budgets import Budget
from metering.ledger import Ledger
from metering.meter import UsageMeter
from metering.prices import PriceBook
from service import assembly, price_changes
from service.api.wiring import Info, Wiring
from service.behaviour.follower import Follower
from service.client import TOKEN_FILE
from service.config import Config, token_of
from service.doors import Doors, Right, Token, check_listen, new_secret
from service.doors import token_of as door_token
from service.execution.build import executor_of, people_of
from service.execution.executor import Executor
from service.mcp.settings import summary_of
from service.otlp.forward import ForwardSettings
from service.otlp.identity import Tenants
from service.pipeline import Pipeline
from service.receivers import courier_of
from service.self_report import SelfReport
from service.settings import Settings
from service.usage import budget_rows, run_rows, usage_rows
from service.verdicts import Verdicts
from store.asking import Asking
from store.embedded import EmbeddedStore
from store.records import IncidentRecords
from store.remembering import Remembering
from vocabulary import metrics
from vocabulary.contracts import Clock
from vocabulary.entities import Change
from vocabulary.errors import ConfigError
from vocabulary.samples import Sample, Series, labels_of
from vocabulary.usage import UsageSpan

log = structlog.get_logger(__name__)
SNAPSHOT_SECONDS = 60.0
FLEET_SNAPSHOT = "fleet"
BEHAVIOUR_SNAPSHOT = "behaviour"
BEHAVIOUR_SNAPSHOT_SECONDS = 600.0
"""What is usual changes slowly, and is larger than the fleet's memory."""
CHANGES_SNAPSHOT = "changes"
"""Changes told since the fleet was last saved, which is only once a minute."""


@dataclass(slots=True)
class Core:
    """The parts, each opened once and closed together."""

    settings: Settings
    clock: Clock
    store: EmbeddedStore
    asking: Asking
    records: IncidentRecords
    ledger: Ledger
    meter: UsageMeter
    fleet: FleetView
    desk: IncidentDesk
    alertmanager: Alertmanager
    courier: Courier
    pipeline: Pipeline
    follower: Follower
    report: SelfReport
    secret: str
    execution: Executor
    people: Sequence[Token] = ()
    """Tokens of those who may approve an action."""
    budgets: Sequence[Budget] = ()
    simulated: bool = False
    trouble: Callable[[], str] = lambda: ""
    """What is wrong with the loop now; empty when nothing is."""
    onward: ForwardSettings = field(default_factory=ForwardSettings)
    """Where received spans and metrics are sent on to."""
    forwarding: Callable[[], str] = lambda: ""
    """What is wrong with sending on; empty when nothing is."""
    _snapshot_at: float = 0.0
    _behaviour_at: float = 0.0

    def keep(self, samples: Sequence[Sample]) -> int:
        """Samples from anywhere: stored, metered, and shown on our own page."""
        everything = [*samples, *self.meter.observe(samples)]
        kept = self.store.append(everything)
        self.report.take(everything)
        return kept

    def how_we_are(self) -> list[Sample]:
        """Samples that are true only at the moment of asking."""
        now = self.clock.now()
        age = now - self.pipeline.ticked_at if self.pipeline.ticked_at else math.nan
        dropped = [
            _own(metrics.SAMPLES_DROPPED, count, now, limit=limit)
            for limit, count in sorted(self.store.dropped.items())
        ]
        told = [
            _own(metrics.NOTIFICATIONS, count, now, receiver=receiver, outcome=outcome)
            for (receiver, outcome), count in sorted(
                (self.alertmanager.counts + self.courier.counts).items()
            )
        ]
        open_now = [
            _own(metrics.INCIDENTS_OPEN, count, now, severity=severity)
            for severity, count in self.desk.open_by_severity().items()
        ]
        ages = [] if math.isnan(age) else [_own(metrics.WATERMARK_AGE, age, now)]
        return [*ages, *open_now, *dropped, *told]

    def after_tick(self, moment: float) -> None:
        """What follows every tick: actions are checked, and memory is saved now and then."""
        self.execution.follow_up(self.clock.now())
        if moment - self._snapshot_at >= SNAPSHOT_SECONDS:
            self._snapshot_at = moment
            self.records.save_snapshot(FLEET_SNAPSHOT, self.fleet.snapshot(), moment)
            self.records.tidy(moment)
        if moment - self._behaviour_at >= BEHAVIOUR_SNAPSHOT_SECONDS:
            self._behaviour_at = moment
            self.records.save_snapshot(BEHAVIOUR_SNAPSHOT, self.follower.snapshot(), moment)

    def info(self) -> Info:
        """How this server is doing."""
        problems = [*self.pipeline.store_failures, *self.store.alarms]
        if self.trouble():
            problems.append(f"the last turn of the loop failed: {self.trouble()}")
        if self.forwarding():
            problems.append(self.forwarding())
        if self.execution.altered:
            problems.append(f"the log of actions was altered: {self.execution.altered}")
        if self.records.lost:
            problems.append(
                f"{self.records.lost} acts that were acknowledged are missing from the records"
            )
        for receiver, waiting in {**self.alertmanager.waiting(), **self.courier.waiting()}.items():
            if waiting:
                problems.append(f"{waiting} alerts wait for {receiver}, which takes none now")
        if self.store.degraded:
            problems.append(f"samples are kept in memory only: {self.store.degraded}")
        return Info(
            version=version("tidegauge"),
            as_of=self.pipeline.ticked_at or None,
            interval=self.settings.interval_seconds,
            simulated=self.simulated,
            speed=self.settings.demo_speed if self.simulated else 1.0,
            problems=tuple(problems),
        )

    def wiring(self) -> Wiring:
        """The seams of the API."""
        settings = self.settings
        return Wiring(
            store=self.asking,
            desk=self.desk,
            scene=lambda: self.pipeline.scene,
            usage=lambda start, end, by: usage_rows(self.ledger, start, end, by),
            runs=lambda start, end: run_rows(self.ledger, start, end),
            budgets=lambda: budget_rows(self.ledger, self.budgets, self.clock.now()),
            behaviour=self.follower.told,
            ingest_samples=self.keep,
            ingest_usage=self.take_usage,
            ingest_changes=self.take_changes,
            alert_in=self.take_alerts,
            self_page=self.report.page,
            clock=self.clock,
            doors=doors_of(settings, self.secret, self.people),
            info=self.info,
            tenants=Tenants(settings.tenant_key.encode()),
            hook_secret=settings.webhook_secret.encode(),
            verdict=Verdicts(self.asking, lambda: self.pipeline.scene),
            maintenance=self.desk.maintenance,
            hushed=self.desk.in_maintenance,
            silences=self.records.silences,
            summary=summary_of(settings),
            execution=self.execution,
        )

    def take_usage(self, spans: Sequence[UsageSpan]) -> int:
        """Usage of traced calls, each attempt once."""
        return self.ledger.record(spans, self.clock.now()).new

    def take_changes(self, changes: Sequence[Change]) -> int:
        """What was done to the fleet, as somebody tells it; how much of it was news. What is news
        is on disk when this returns.
        """  # noqa: D205 - one sentence does not hold it
        new = sum([self.fleet.add_change(change) for change in changes])
        self.records.told_changes.keep(changes, self.clock.now())
        if new:
            feed = self.fleet.feed.snapshot()
            self.records.save_snapshot(CHANGES_SNAPSHOT, feed, self.clock.now())
        return new

    def take_alerts(self, body: Mapping[str, Any]) -> int:
        """An Alertmanager webhook."""
        return self.desk.alert_in(body)

    def start_notifying(self, then: Callable[[str, Callable[[], object]], object]) -> None:
        """Begin to tell Alertmanagers and receivers; *then* remembers how to stop."""
        self.alertmanager.start()
        then("Alertmanager", self.alertmanager.stop)
        self.courier.start()
        then("receivers", self.courier.stop)

    def close(self) -> None:
        """Commit and close everything."""
        now = self.clock.now()
        self.records.save_snapshot(FLEET_SNAPSHOT, self.fleet.snapshot(), now)
        self.records.save_snapshot(BEHAVIOUR_SNAPSHOT, self.follower.snapshot(), now)
        self.meter.flush()
        self.ledger.close()
        self.records.close()
        self.store.close()


def doors_of(settings: Settings, secret: str, people: Sequence[Token] = ()) -> Doors:
    """Who may come in, and what for, under the names this server is reached by.

    The operator's token may do all; an agent's may report and is believed about who things are;
    an application's may send telemetry, and what it says of identity is a claim. People have their
    own, and only they may approve an action.
    """
    check_listen(
        settings.host, bool(secret), settings.tls_cert is not None, settings.allow_insecure
    )
    hosts = frozenset({*settings.allowed_hosts, settings.host})
    tokens = [door_token("operator", secret)]
    if settings.agent_token_file is not None:
        agent = assembly.secret(settings.agent_token_file)
        tokens.append(door_token("agent", agent, frozenset({Right.COLLECT, Right.INGEST})))
    if settings.ingest_token_file is not None:
        application = assembly.secret(settings.ingest_token_file)
        tokens.append(door_token("application", application, frozenset({Right.INGEST})))
    for one in people:
        if one.digest in {each.digest for each in tokens}:
            raise ConfigError(f"execution.people.{one.name}: that token is somebody else's too")
        tokens.append(one)
    return Doors(tuple(tokens), hosts)


def secret_of(settings: Settings, *, leave_behind: bool) -> str:
    """The configured token, or a new one; *leave_behind* writes it where the CLI looks."""
    secret = token_of(settings) or new_secret(secrets.token_bytes)
    if leave_behind:
        file = settings.data_dir / TOKEN_FILE
        file.unlink(missing_ok=True)
        file.touch(mode=0o600)
        file.write_text(secret + "\n", encoding="utf-8")
    return secret


def build(config: Config, clock: Clock, *, secret: str, simulated: bool = False) -> Core:
    """Open everything in the data directory.

    Raises:
        ConfigError, StoreError: With the mend.
    """
    settings = config.settings
    store = assembly.open_store(settings, clock)
    backend = assembly.backend(config, clock)
    asking: Asking = backend or store
    book = assembly.price_book(settings, demo=simulated)
    fleet = FleetView()
    ledger = assembly.ledger_of(settings, book, lambda model: pool_of(fleet, model))
    records = IncidentRecords(settings.data_dir / assembly.CONTROL_FILE)
    alertmanager = assembly.alertmanager_of(config, records, clock, live=not simulated)
    courier = courier_of(config, records, clock, live=not simulated)
    receivers = (*alertmanager.receivers, *courier.receivers)
    desk = assembly.desk_of(config, records, book, clock, receivers)
    report = SelfReport()
    follower = Follower(settings.interval_seconds, settings.unusual_per_week)
    _remember(records, fleet, follower)
    roofline = config.part("roofline", Roofline)

    def record(samples: Iterable[Sample]) -> None:
        taken = list(samples)
        store.append(taken)
        report.take(taken)

    pipeline = Pipeline(
        store=backend or Remembering(store),
        fleet=fleet,
        detectors=assembly.all_detectors(config),
        desk=desk,
        record=record,
        interval=settings.interval_seconds,
        derive=lambda scene: (*roofline.samples(scene), *follower.tick(scene)),
    )
    execution = executor_of(
        config, records, asking, clock, lambda: pipeline.scene, os.environ,
        simulated=simulated, receivers=receivers,
    )  # fmt: skip
    part = Core(
        settings=settings,
        clock=clock,
        store=store,
        asking=asking,
        records=records,
        ledger=ledger,
        meter=UsageMeter(book, ledger, flush_seconds=min(60.0, 4.0 * settings.interval_seconds)),
        fleet=fleet,
        desk=desk,
        alertmanager=alertmanager,
        courier=courier,
        pipeline=pipeline,
        follower=follower,
        report=report,
        secret=secret,
        execution=execution,
        people=people_of(config),
        budgets=assembly.budgets(settings),
        onward=config.part("otlp_forward", ForwardSettings),
        simulated=simulated,
    )
    report.own = part.how_we_are
    ledger.price_unpriced(clock.now())  # prices may have come since they were missed
    _tell_prices(part, book)
    return part


def _remember(records: IncidentRecords, fleet: FleetView, follower: Follower) -> None:
    """Take in what was known when the server ended."""
    known = (
        (FLEET_SNAPSHOT, fleet.restore),
        (CHANGES_SNAPSHOT, fleet.feed.restore),
        (BEHAVIOUR_SNAPSHOT, follower.restore),
    )
    for name, restore in known:
        kept = records.snapshot(name)
        if kept is not None:
            restore(kept[0])


def _tell_prices(part: Core, book: PriceBook) -> None:
    """Say which prices differ from those of the last start; kept after it was told."""
    kept, now = part.records.snapshot(price_changes.SNAPSHOT), part.clock.now()
    listed = book.listed()
    before = kept[0] if kept is not None else None
    if before != listed:
        part.take_changes(price_changes.price_changes(before, listed, now))
        part.records.save_snapshot(price_changes.SNAPSHOT, listed, now)


def pool_of(fleet: FleetView, model: str) -> str:
    """The only pool that serves *model*; empty when there is none, or more than one."""
    pools = {one.pool for one in fleet.replicas() if one.model == model}
    return pools.pop() if len(pools) == 1 else ""


def _own(metric: metrics.Metric, value: float, at: float, **labels: str) -> Sample:
    return Sample(Series(metric.name, labels_of(labels)), float(value), at)
