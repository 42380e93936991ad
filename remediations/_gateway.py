"""LiteLLM's key API as commands: address and master key come from the caller's environment."""

from collections.abc import Mapping
from typing import Any

from remediations import _shell
from vocabulary.incidents import Incident

AUTH = '-H "Authorization: Bearer $LITELLM_MASTER_KEY"'

NO_DRY_RUN = "LiteLLM has no dry run; this shows the limits as they are"
NO_DRY_RUN_OF_ROUTES = "LiteLLM has no dry run; keep what this shows for the undo"


def post(path: str, content: Mapping[str, Any]) -> str:
    """`POST` of *content* to one of LiteLLM's own paths."""
    return (
        f'curl -fsS -X POST "$LITELLM_URL{path}" {AUTH} '
        f"-H 'Content-Type: application/json' --data {_shell.body(content)}"
    )


def get(path: str) -> str:
    """`GET` of one of LiteLLM's own paths."""
    return f'curl -fsS "$LITELLM_URL{path}" {AUTH}'


def update_key(key: str, **limits: object) -> str:
    """`POST /key/update` with *limits*; LiteLLM takes a key or its hash."""
    return post("/key/update", {"key": _shell.clean(key, 500), **limits})


def key_info(key: str) -> str:
    """`GET /key/info`: what the key may do now, to be kept for the undo."""
    told = _shell.word(f"key={_shell.clean(key)}")
    return f'curl -fsS --get "$LITELLM_URL/key/info" {AUTH} --data-urlencode {told}'


def tenant_of(incident: Incident) -> str:
    """The tenant an incident is about; empty when it is about several or none."""
    return incident.tenants[0] if len(incident.tenants) == 1 else ""


def evidence_of(incident: Incident, signal: str) -> tuple[float | None, float | None]:
    """Observed and expected of the incident's evidence on *signal*."""
    for record in incident.evidence:
        if record.signal == signal:
            return record.observed, record.expected
    return None, None
