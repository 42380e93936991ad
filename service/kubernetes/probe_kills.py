"""What only Kubernetes' events tell: that a kubelet kills a container because a probe failed.

Everything else that an event says, an object's status says too, reliably and for longer: events are
rate-limited, merged, and gone after an hour.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from fleet import identity
from service.kubernetes.api_server import Resource
from service.kubernetes.json_fields import mapping, metadata, moment, text, whole
from vocabulary.entities import Change

RESOURCE = Resource(("/api/v1/events",), "involvedObject.kind=Pod,reason=Killing")
_PROBE = re.compile(r"failed (liveness|startup) probe")
_CONTAINER = re.compile(r"\{([a-z0-9\-]{1,63})\}")


@dataclass(frozen=True, slots=True)
class ProbeKill:
    """One event, which counts how often it happened."""

    namespace: str
    pod: str
    pod_uid: str
    container: str
    probe: str
    count: int
    at: float | None
    uid: str


def probe_kill_of(body: Mapping[str, Any]) -> ProbeKill:
    """The kill that an event tells of.

    Raises:
        ValueError: It tells of something else: a pod that is deleted has its containers killed too.
    """
    _, _, uid = metadata(body)
    found = _PROBE.search(text(body.get("message"), 1024))
    about = mapping(body.get("involvedObject"))
    container = _CONTAINER.search(text(about.get("fieldPath")))
    namespace, pod, pod_uid = (text(about.get(key)) for key in ("namespace", "name", "uid"))
    if not (found and container and namespace and pod and pod_uid):
        raise ValueError("this event tells of no probe")
    series = mapping(body.get("series"))
    at = next(
        filter(
            None,
            (
                moment(series.get("lastObservedTime")),
                moment(body.get("lastTimestamp")),
                moment(body.get("eventTime")),
                moment(body.get("firstTimestamp")),
            ),
        ),
        None,
    )
    count = whole(series.get("count")) or whole(body.get("count")) or 1
    return ProbeKill(namespace, pod, pod_uid, container[1], found[1], count, at, uid)


def changes_between(
    before: ProbeKill | None, after: ProbeKill | None, cluster: str, now: float
) -> Iterator[Change]:
    """The kill, when its event is new or counts one more; an event that expires tells nothing."""
    if after is None or (before is not None and before.count >= after.count):
        return
    who = identity.pod_replica_id(cluster, after.namespace, after.pod_uid, after.container)
    what = f"{after.probe} probe of {after.container} failed: its node kills the container"
    told = f"{after.uid}/{after.count}"
    at = after.at if after.at is not None else now
    yield Change(at, "probe", identity.replica(who, after.pod), what, "", told)
