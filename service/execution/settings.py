"""Whether plans may be carried out, by whose yes, with which credential, and how often."""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

from vocabulary.actions import ActionClass

_MANUAL = ("gateway", "keys")
"""Classes of cards whose target is no Kubernetes API: they stay a person's work."""


@dataclass(frozen=True, slots=True)
class ExecutionSettings:
    """The section `execution`; counts are those of the whole server."""

    enabled: bool = False
    """Carry out plans that people approved. Off, `execute` answers 403 and says what to type."""
    people: Mapping[str, str] = field(default_factory=dict)
    """Who may approve and execute: name → file with that person's own token. The operator's token
    is shared and approves nothing."""
    accounts: Mapping[str, str] = field(default_factory=dict)
    """Credential of each class of actions (pods, scale, rollouts, nodes, autoscalers): class → file
    with the token of a service account of its own. A class without one executes nothing."""
    api_url: str = ""
    """Kubernetes API to write to; that of the cluster we run in when empty."""
    ca_file: str = ""
    """Certificates (PEM) to trust there; those of our own service account when empty."""
    timeout_seconds: float = 10.0
    """Seconds the Kubernetes API has to answer one request."""
    plan_minutes: float = 15.0
    """A plan expires so long after it was made. Our judgement: what was seen longer ago is no
    longer what is there."""
    most_per_hour: int = 6
    """Executions an hour in the whole fleet; our judgement, one in ten minutes."""
    most_per_pool_per_hour: int = 2
    """Executions an hour that touch one pool; our judgement."""
    most_share_per_day: float = 0.2
    """Share of the fleet's nodes, or of its replicas, that may be acted on in a day, and never less
    than one: Amazon EKS stops repairing a group of nodes when more than 20 % are unhealthy."""
    most_failures_per_day: int = 2
    """Executions of a day that may fail or not cure; after so many the next is refused. Our
    judgement: whoever was wrong twice should think first."""
    least_seen_share: float = 0.5
    """Share of a pool's replicas that must be seen now; below it the pool is frozen. Our judgement:
    the replica to be mended may itself be unseen, its siblings may not."""

    def __post_init__(self) -> None:
        """Refuse what cannot be.

        Raises:
            ValueError: With the mend.
        """
        _files("people", self.people)
        _files("accounts", self.accounts)
        for name in self.people:
            if not name.strip() or len(name) > 60 or name in {"operator", "agent", "application"}:
                raise ValueError(f"people: {name[:60]!r} is no name of a person")
        for name in self.accounts:
            if name in _MANUAL:
                raise ValueError(
                    f"accounts: there is no executor for {name}; its cards show the exact call and "
                    "stay a person's work"
                )
            if name not in set(ActionClass):
                raise ValueError(f"accounts: there is no class {name[:40]!r}; {_known()}")
        if len(set(self.accounts.values())) < len(self.accounts):
            raise ValueError("accounts: two classes share one file; each needs its own credential")
        for item in fields(self):
            self._check_number(item.name)
        if self.enabled and not self.people:
            raise ValueError(
                "enabled, and nobody may approve: name them in `people`, each with the file of "
                "their own token"
            )

    def _check_number(self, name: str) -> None:
        value = getattr(self, name)
        if isinstance(value, str | bool | Mapping):
            return
        if not 0 < value < float("inf"):
            raise ValueError(f"{name} must be greater than 0, and is {value}")
        if "share" in name and value > 1:
            raise ValueError(f"{name} is a share: at most 1, and is {value}")

    def account(self, group: ActionClass) -> Path | None:
        """The token file of a class, or None."""
        file = self.accounts.get(group.value, "")
        return Path(file) if file else None


def _files(key: str, told: Any) -> None:
    example = {"people": "NAME", "accounts": "pods"}[key]
    if not isinstance(told, Mapping) or not all(
        isinstance(name, str) and isinstance(file, str) and file for name, file in told.items()
    ):
        raise ValueError(f"{key} must name files, for example `{key}: {{{example}: /run/token}}`")


def _known() -> str:
    return "known: " + ", ".join(ActionClass)
