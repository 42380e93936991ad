"""R08: give the owner of a leaked key another one, and revoke it."""

from dataclasses import dataclass
from typing import ClassVar

from remediations import _fleet, _gateway, _shell
from remediations._watching import until
from vocabulary import failure_modes as f
from vocabulary.actions import Action, Autonomy
from vocabulary.contracts import Remediation
from vocabulary.failure_modes import FailureMode
from vocabulary.incidents import Incident
from vocabulary.scene import Scene, Watch
from vocabulary.signals import TENANT_CALL_RATE, TENANT_OPERATION_RATE

CALLS = Watch(TENANT_CALL_RATE, 900.0, 60.0)


@dataclass(frozen=True, slots=True)
class RotateKey(Remediation):
    """Issue a key for the same owner and delete the old one; what it did stays in the logs."""

    card: ClassVar[str] = "R08"
    answers: ClassVar[tuple[FailureMode, ...]] = (f.LEAKED_KEY,)
    order: ClassVar[int] = 20

    def propose(self, incident: Incident, scene: Scene) -> Action | None:
        """When one tenant is named."""
        tenant = _gateway.tenant_of(incident)
        if not tenant or not scene.now:
            return None
        key = _shell.clean(tenant, 500)
        calls = _fleet.newest(scene, CALLS, "tenant").get(tenant)
        broken = "not known how many calls" if calls is None else f"{calls * 60.0:.0f} calls"
        issue = _gateway.post("/key/generate", {"metadata": {"replaces": key}})
        revoke = _gateway.post("/key/delete", {"keys": [key]})
        return _fleet.action(
            incident,
            self.card,
            f"Rotate the key of {tenant}",
            Autonomy.TWO_PEOPLE,
            precondition=f"{tenant} is a LiteLLM key or its hash; its owner and security agree; "
            "logs and this incident's report are stored; team, budget and models of the old key "
            "are written down",
            met=None,
            command=f"{issue} && {revoke}",
            dry_run=f"{_gateway.NO_DRY_RUN}: {_gateway.key_info(tenant)}",
            verify=until(TENANT_OPERATION_RATE, "tenant", tenant, "== 0: the old key gets 401", 5),
            undo="None: a deleted key does not come back. Give its owner the new one.",
            risk=f"Every caller with the old key breaks until it has the new one: {broken} a "
            "minute now, honest ones among them.",
        )
