"""LiteLLM's key API as commands: address and master key come from the caller's environment."""

from remediations import _shell
from vocabulary.incidents import Incident

_AUTH = '-H "Authorization: Bearer $LITELLM_MASTER_KEY"'

NO_DRY_RUN = "LiteLLM has no dry run; this shows the limits as they are"


def update_key(key: str, **limits: object) -> str:
    """`POST /key/update` with *limits*; LiteLLM takes a key or its hash."""
    content = _shell.body({"key": _shell.clean(key, 500), **limits})
    return (
        f'curl -fsS -X POST "$LITELLM_URL/key/update" {_AUTH} '
        f"-H 'Content-Type: application/json' --data {content}"
    )


def key_info(key: str) -> str:
    """`GET /key/info`: what the key may do now, to be kept for the undo."""
    told = _shell.word(f"key={_shell.clean(key)}")
    return f'curl -fsS --get "$LITELLM_URL/key/info" {_AUTH} --data-urlencode {told}'


def tenant_of(incident: Incident) -> str:
    """The tenant an incident is about; empty when it is about several or none."""
    return incident.tenants[0] if len(incident.tenants) == 1 else ""


def evidence_of(incident: Incident, signal: str) -> tuple[float | None, float | None]:
    """Observed and expected of the incident's evidence on *signal*."""
    for record in incident.evidence:
        if record.signal == signal:
            return record.observed, record.expected
    return None, None
