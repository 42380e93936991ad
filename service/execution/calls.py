"""A plan's call as a request of the Kubernetes API, bound to the object as it is now."""

import difflib
import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, urlencode

import yaml

from service.execution.cluster import Request, Response
from service.kubernetes.json_fields import mapping, mappings, text, texts, whole
from vocabulary.actions import Call, Verb
from vocabulary.errors import ConflictError

Ask = Callable[[Request], Response]
"""Sends a request with the credential of the call's class."""

MAX_DIFF = 20_000
"""Characters of a diff that are kept."""
_APIS = {
    "pods": "/api/v1",
    "nodes": "/api/v1",
    "deployments": "/apis/apps/v1",
    "replicasets": "/apis/apps/v1",
    "horizontalpodautoscalers": "/apis/autoscaling/v2",
}
_REVISION = "deployment.kubernetes.io/revision"
_MERGE = "application/merge-patch+json"
_JSON_PATCH = "application/json-patch+json"


@dataclass(frozen=True, slots=True)
class Bound:
    """The state that a plan was made for, and what would be written to it."""

    uid: str
    version: str
    """resourceVersion, which the API server holds the write to."""
    shape: str
    """Fingerprint of the object's spec."""
    replicas: int | None
    """What the Deployment is told to have; None for other kinds."""
    request: Request
    sense: str
    """Fingerprint of the request without the resourceVersion: what people say yes to."""


def object_path(call: Call) -> str:
    """Where the object of *call* is."""
    kind, _, part = call.kind.partition("/")
    place = f"/namespaces/{quote(call.namespace, safe='')}" if call.namespace else ""
    path = f"{_APIS[kind]}{place}/{kind}/{quote(call.name, safe='')}"
    return f"{path}/{part}" if part else path


def bound(call: Call, found: Mapping[str, Any], ask: Ask) -> Bound:
    """*call* as a request to the object *found*.

    Raises:
        ConflictError: The object is another one than meant, or cannot be changed this way.
    """
    meta, spec = mapping(found.get("metadata")), mapping(found.get("spec"))
    uid, version = text(meta.get("uid")), text(meta.get("resourceVersion"))
    if call.uid and uid != call.uid:
        raise ConflictError(f"{call.kind} {call.name} is another one than was seen in trouble")
    shape = _digest(spec)
    replicas = whole(spec.get("replicas")) if call.kind.startswith("deployments") else None
    request = _request(call, found, ask, uid, version)
    plain = request.body.replace(json.dumps(version), '""') if version else request.body
    sense = _digest([request.method, request.path, plain, request.content_type])
    return Bound(uid, version, shape, replicas, request, sense)


def _request(call: Call, found: Mapping[str, Any], ask: Ask, uid: str, version: str) -> Request:
    path = object_path(call)
    held = {"op": "test", "path": "/metadata/resourceVersion", "value": version}
    if call.verb is Verb.EVICT:
        return Request("POST", f"{path}/eviction", _json(_eviction(call, uid, ask)))
    if call.verb is Verb.MERGE:
        patch = json.loads(call.patch)
        patch["metadata"] = {**patch.get("metadata", {}), "resourceVersion": version}
        return Request("PATCH", path, _json(patch), _MERGE)
    if call.verb is Verb.PATCH:
        return Request("PATCH", path, _json([held, *json.loads(call.patch)]), _JSON_PATCH)
    template = _former(call, found, ask)
    operation = {"op": "replace", "path": "/spec/template", "value": template}
    return Request("PATCH", path, _json([held, operation]), _JSON_PATCH)


def _eviction(call: Call, uid: str, ask: Ask) -> dict[str, Any]:
    """An eviction of the pod with that uid, in the newest version that the server knows (1.22)."""
    newest = ask(Request("GET", "/apis/policy/v1")).done
    return {
        "apiVersion": "policy/v1" if newest else "policy/v1beta1",
        "kind": "Eviction",
        "metadata": {"name": call.name, "namespace": call.namespace},
        "deleteOptions": {"preconditions": {"uid": uid}},
    }


def _former(call: Call, found: Mapping[str, Any], ask: Ask) -> dict[str, Any]:
    """The pod template of the revision before the present one, as `kubectl rollout undo` takes it.

    Raises:
        ConflictError: No former revision is kept, or the rollout is paused.
    """
    spec, meta = mapping(found.get("spec")), mapping(found.get("metadata"))
    if spec.get("paused") is True:
        raise ConflictError(f"the rollout of {call.name} is paused: resume it first")
    chosen = texts(mapping(spec.get("selector")).get("matchLabels"))
    query = urlencode({"labelSelector": ",".join(f"{k}={v}" for k, v in sorted(chosen.items()))})
    place = f"{_APIS['replicasets']}/namespaces/{quote(call.namespace, safe='')}/replicasets"
    answer = ask(Request("GET", f"{place}?{query}"))
    if not answer.done:
        raise ConflictError(f"its revisions cannot be read: {answer.status} {answer.said}")
    kept: dict[int, dict[str, Any]] = {}
    for one in mappings(answer.body.get("items")):
        about = mapping(one.get("metadata"))
        number = texts(about.get("annotations")).get(_REVISION, "")
        owners = {text(each.get("uid")) for each in mappings(about.get("ownerReferences"))}
        if number.isdecimal() and meta.get("uid") in owners:
            kept[int(number)] = mapping(mapping(one.get("spec")).get("template"))
    present = texts(meta.get("annotations")).get(_REVISION, "")
    earlier = [number for number in kept if present.isdecimal() and number < int(present)]
    if not earlier:
        raise ConflictError(f"no former revision of {call.name} is kept")
    template: dict[str, Any] = json.loads(json.dumps(kept[max(earlier)]))
    mapping(mapping(template.get("metadata")).get("labels")).pop("pod-template-hash", None)
    return template


def difference(call: Call, before: Mapping[str, Any], after: Mapping[str, Any]) -> str:
    """What the write changes, as a unified diff of YAML; values of environments are hidden."""
    name = f"{call.kind}/{call.name}"
    if call.verb is Verb.EVICT:
        node = text(mapping(before.get("spec")).get("nodeName"))
        return f"- {name} on {node or 'no node'} is ended; its controller starts another"
    lines = difflib.unified_diff(
        _lines(before), _lines(after), f"{name} now", f"{name} then", lineterm=""
    )
    return "\n".join(lines)[:MAX_DIFF]


def shown(request: Request) -> str:
    """*request* in one line for people and the log, values of environments hidden."""
    if not request.body:
        return request.text
    hidden = _json(_hidden(json.loads(request.body)))
    return f"{request.method} {request.path} {hidden}"[:MAX_DIFF]


def holds(call: Call, found: Mapping[str, Any]) -> bool:
    """Whether the object says what a merge patch asked of it."""
    return call.verb is Verb.MERGE and _within(json.loads(call.patch), found)


def _within(wanted: Any, found: Any) -> bool:
    if isinstance(wanted, dict):
        return isinstance(found, Mapping) and all(
            _within(value, found.get(name)) for name, value in wanted.items()
        )
    return bool(wanted == found)


def _lines(body: Mapping[str, Any]) -> list[str]:
    kept = {name: value for name, value in body.items() if name != "status"}
    noise = {"managedFields", "resourceVersion", "generation"}
    meta = mapping(kept.get("metadata"))
    kept["metadata"] = {name: value for name, value in meta.items() if name not in noise}
    return yaml.safe_dump(_hidden(kept), default_flow_style=False).splitlines()


def _hidden(value: Any) -> Any:
    """*value* without what environments are set to: secrets are written there now and then."""
    if isinstance(value, list):
        return [_hidden(one) for one in value]
    if not isinstance(value, dict):
        return value
    secret = "value" in value and set(value) <= {"name", "value"}
    return {
        name: "(hidden)" if secret and name == "value" else _hidden(one)
        for name, one in value.items()
    }


def _json(value: Any) -> str:
    return json.dumps(value, sort_keys=True, separators=(",", ":"))


def _digest(value: Any) -> str:
    return hashlib.sha256(_json(value).encode()).hexdigest()[:16]
