"""What a replica is called in Kubernetes, and the commands that name it. Nothing here runs them."""

from dataclasses import dataclass

from fleet.identity import parse_replica_id
from remediations import _shell
from vocabulary.entities import Replica

NO_DRY_RUN = "There is no dry run of this."


@dataclass(frozen=True, slots=True)
class Workload:
    """A pod and the Deployment that it belongs to."""

    namespace: str
    pod: str
    """Its name; empty when only its uid is known."""
    uid: str
    deployment: str

    @property
    def pod_word(self) -> str:
        """The pod as one shell word, looked up by its uid when its name is not known."""
        if self.pod:
            return _shell.named("pod", self.pod)
        query = f'{{.items[?(@.metadata.uid=="{_plain(self.uid)}")].metadata.name}}'
        listed = f"kubectl get pods {self.in_namespace} --output=jsonpath={_shell.word(query)}"
        return f'"pod/$({listed})"'

    @property
    def deployment_word(self) -> str:
        """The Deployment as one shell word."""
        return _shell.named("deployment", self.deployment)

    @property
    def in_namespace(self) -> str:
        """The flag that says where."""
        return _shell.flag("namespace", self.namespace)


def workload(replica: Replica) -> Workload | None:
    """How Kubernetes knows *replica*; None for one that no cluster runs."""
    parts = parse_replica_id(replica.entity.id)
    if parts is None:
        return None
    return Workload(
        parts.namespace,
        _shell.clean(replica.pod),
        parts.pod_uid,
        replica.pool.rpartition("/")[2] or parts.container,
    )


def shown(write: str) -> str:
    """A write as the API server would make it, and what it would change."""
    return f"{write} --dry-run=server --output=yaml | kubectl diff --filename=-"


def _plain(uid: str) -> str:
    """A uid as it may stand inside a jsonpath string: Kubernetes' uids hold nothing else."""
    return "".join(one for one in uid if one.isascii() and (one.isalnum() or one == "-"))
