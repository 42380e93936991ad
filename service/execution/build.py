"""The executor as the configuration wants it, and the people whose yes it takes."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import structlog

from service import assembly
from service.config import Config
from service.doors import Right, Token, token_of
from service.execution.cluster import Cluster, Request, Response, kubernetes_api
from service.execution.executor import Executor
from service.execution.planner import World
from service.execution.settings import ExecutionSettings
from store.asking import Asking
from store.records import IncidentRecords
from vocabulary.actions import Action, ActionClass
from vocabulary.contracts import Clock
from vocabulary.errors import ConfigError
from vocabulary.incidents import Incident
from vocabulary.scene import Scene

log = structlog.get_logger(__name__)
SECTION = "execution"


class NoCluster:
    """Where nothing is executed: nobody is asked, and nothing written."""

    def ask(self, group: ActionClass, request: Request, *, dry: bool = False) -> Response:
        """See Cluster; always refuses."""
        raise ConfigError(f"nothing is executed here: {request.method} ({group.value}, dry {dry})")


def executor_of(
    config: Config,
    records: IncidentRecords,
    store: Asking,
    clock: Clock,
    scene: Callable[[], Scene],
    environ: Mapping[str, str],
    *,
    simulated: bool,
    receivers: Sequence[str],
) -> Executor:
    """The executor, which refuses everything unless it is switched on.

    What a crash left between writing and recording is told as unknown before it is returned.

    Raises:
        ConfigError: The section cannot be, or no cluster is known.
    """
    settings = config.part(SECTION, ExecutionSettings)
    cluster: Cluster = NoCluster()
    if settings.enabled and not simulated:
        cluster = kubernetes_api(
            settings.accounts,
            settings.api_url,
            settings.ca_file,
            settings.timeout_seconds,
            environ,
        )
    cards = {one.card: one for one in assembly.all_remediations(config)}

    def propose(card: str, incident: Incident, scene_now: Scene) -> Action | None:
        try:
            return cards[card].propose(incident, scene_now) if card in cards else None
        except Exception:  # a broken card proposes nothing
            log.exception("remediation failed", card=card, incident=incident.id)
            return None

    world = World(
        settings, records, store, clock, cluster, scene, propose, simulated, tuple(receivers)
    )
    made = Executor(world)
    made.recover()
    return made


def people_of(config: Config) -> list[Token]:
    """A token for each person who may approve, each from a file of their own.

    Raises:
        ConfigError: A file cannot be read, or holds too little.
    """
    people = config.part(SECTION, ExecutionSettings).people
    rights = frozenset({Right.READ, Right.ACT})
    return [
        token_of(name, assembly.secret(Path(file)), rights, person=True)
        for name, file in people.items()
    ]
