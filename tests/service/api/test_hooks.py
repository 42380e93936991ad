"""Alerts of others: Alertmanager's webhook, checked before it is believed."""

import hashlib
import hmac
import json
from typing import Any

import pytest

NOW = 1_795_426_000
HOOK = {
    "version": "4",
    "groupKey": "{}:{alertname=x}",
    "status": "firing",
    "receiver": "tidegauge",
    "groupLabels": {"alertname": "HighErrorRate"},
    "truncatedAlerts": 0,
    "alerts": [
        {
            "status": "firing",
            "labels": {"alertname": "HighErrorRate", "severity": "critical"},
            "annotations": {"summary": "errors"},
            "startsAt": "2026-11-23T09:00:00Z",
            "endsAt": "0001-01-01T00:00:00Z",
            "generatorURL": "http://prometheus/graph",
            "fingerprint": "abc",
        }
    ],
}
MANY = {str(number): "x" for number in range(65)}
WHERE = "/hooks/alertmanager"


def signed(body: bytes, at: int = NOW, key: bytes = b"k") -> dict[str, str]:
    digest = hmac.new(key, f"{at}.".encode() + body, hashlib.sha256).hexdigest()
    return {"x-tidegauge-signature": f"t={at},v1={digest}"}


def test_a_webhook_reaches_whoever_takes_alerts(world: Any) -> None:
    answer = world.client("app").post(WHERE, json=HOOK)
    assert answer.json() == {"accepted": 1}
    assert world.alerts[0]["alerts"][0]["labels"]["alertname"] == "HighErrorRate"


@pytest.mark.parametrize(
    "change",
    [
        {"version": "3"},
        {"version": None},
        {"alerts": None},
        {"alerts": [{"status": "maybe", "labels": {}, "startsAt": ""}]},
        {"alerts": [{"status": "firing", "labels": {"a": ["b"]}, "startsAt": ""}]},
        {"alerts": [{"status": "firing", "labels": MANY, "startsAt": ""}]},
    ],
)
def test_what_is_no_webhook_of_version_four_is_refused(world: Any, change: Any) -> None:
    answer = world.client("app").post(WHERE, json={**HOOK, **change})
    assert answer.status_code == 400
    assert "version 4" in answer.json()["detail"]
    assert world.alerts == []


@pytest.mark.parametrize("body", [b"", b"{", b"[" * 50_000, b"\xff"])
def test_broken_bodies_are_refused(world: Any, body: Any) -> None:
    assert world.client("app").post(WHERE, content=body).status_code == 400


def test_a_reader_cannot_bring_alerts(world: Any) -> None:
    assert world.client("reader").post(WHERE, json=HOOK).status_code == 403


def test_with_a_secret_only_fresh_signed_hooks_are_taken_and_only_once(world: Any) -> None:
    client = world.client("app", hook_secret=b"k")
    body = json.dumps(HOOK).encode()
    assert client.post(WHERE, content=body, headers=signed(body)).status_code == 200
    refused = [
        signed(body),  # replayed
        {},
        signed(body, key=b"other"),
        signed(body, at=NOW - 301),
        signed(body, at=NOW + 301),
        signed(b"other body"),
        {"x-tidegauge-signature": "t=,v1="},
        {"x-tidegauge-signature": "nonsense"},
    ]
    for headers in refused:
        assert client.post(WHERE, content=body, headers=headers).status_code == 401
    assert len(world.alerts) == 1
