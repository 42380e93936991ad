"""Alerts of other systems: Alertmanager's webhook, version 4."""

import hashlib
import hmac
from collections import OrderedDict
from dataclasses import dataclass, field
from typing import Any

from fastapi import APIRouter, Request
from pydantic import BaseModel, Field, ValidationError
from starlette.concurrency import run_in_threadpool

from service.api.parameters import Wired
from service.api.problems import Refused

router = APIRouter(prefix="/hooks", tags=["hooks"])
SIGNATURE = "x-tidegauge-signature"
WINDOW_SECONDS = 300.0
"""How old a signature may be; the window that Stripe's and Slack's webhooks use too."""
_REMEMBERED = 10_000


class Alert(BaseModel):
    """One alert of the group."""

    status: str = Field(pattern="^(firing|resolved)$")
    labels: dict[str, str] = Field(max_length=64)
    annotations: dict[str, str] = Field(default_factory=dict, max_length=64)
    startsAt: str = Field(max_length=40)  # noqa: N815 - Alertmanager's own spelling
    endsAt: str = Field(default="", max_length=40)  # noqa: N815
    generatorURL: str = Field(default="", max_length=2000)  # noqa: N815
    fingerprint: str = Field(default="", max_length=64)


class Webhook(BaseModel):
    """What Alertmanager sends; what it may add later is passed over."""

    version: str = Field(pattern="^4$")
    alerts: list[Alert] = Field(max_length=1000)


@dataclass(slots=True)
class Signatures:
    """HMAC-SHA256 over `time.body`, each accepted once within its window."""

    secret: bytes
    _seen: OrderedDict[str, None] = field(default_factory=OrderedDict)

    def check(self, header: str | None, body: bytes, now: float) -> None:
        """Refuse what is unsigned, stale, forged or repeated; nothing is asked without a secret.

        Raises:
            Refused: `unauthenticated`.
        """
        if not self.secret:
            return
        parts = dict(part.partition("=")[::2] for part in (header or "").split(","))
        at, signature = parts.get("t", ""), parts.get("v1", "")
        due = hmac.new(self.secret, f"{at}.".encode() + body, hashlib.sha256).hexdigest()
        if not hmac.compare_digest(due.encode(), signature.encode()) or not at.isdigit():
            raise Refused(
                "unauthenticated", f"sign hooks: '{SIGNATURE}: t=UNIX,v1=HMAC-SHA256(t.body)'"
            )
        if abs(now - int(at)) > WINDOW_SECONDS or signature in self._seen:
            raise Refused("unauthenticated", "this signature is too old, or was used before")
        self._seen[signature] = None
        while len(self._seen) > _REMEMBERED:
            self._seen.popitem(last=False)


@router.post(
    "/alertmanager",
    summary="Take a webhook of Alertmanager",
    openapi_extra={
        "requestBody": {
            "content": {"application/json": {"schema": Webhook.model_json_schema()}},
            "required": True,
        }
    },
)
async def alertmanager(request: Request, wiring: Wired) -> dict[str, Any]:
    """Its alerts become findings of the failure mode `unclassified`."""
    body = await request.body()
    signatures: Signatures = request.app.state.signatures
    signatures.check(request.headers.get(SIGNATURE), body, wiring.clock.now())
    try:
        hook = Webhook.model_validate_json(body)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"]) or "body"
        raise Refused("webhook", f"no webhook of version 4: {place}: {first['msg']}"[:300]) from (
            error
        )
    return {"accepted": await run_in_threadpool(wiring.alert_in, hook.model_dump())}
