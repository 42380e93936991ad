"""Which pod and container a process belongs to, read from its cgroup path. Pure text.

Both cgroup versions and both drivers of the kubelet: `/kubepods/burstable/pod<uid>/<id>` (cgroupfs)
and `/kubepods.slice/…/kubepods-burstable-pod<uid>.slice/cri-containerd-<id>.scope` (systemd, which
writes the uid's dashes as underscores). A static pod's uid is 32 digits without dashes.
"""

import re
from typing import NamedTuple

_UID = "[0-9a-f]{8}(?:[-_][0-9a-f]{4}){3}[-_][0-9a-f]{12}|[0-9a-f]{32}"
_POD = re.compile(rf"(?:^|[/-])pod({_UID})(?=[/.:]|$)")
_CONTAINER = re.compile(r"(?:^|[/:-])([0-9a-f]{64})(?=\.scope|/|$)")


class Place(NamedTuple):
    """Where a process lives."""

    pod_uid: str = ""
    """As the host knows it, with dashes; empty for a process of no pod."""
    container_id: str = ""


def place_of(text: str) -> Place:
    """The place that the content of `/proc/<pid>/cgroup` names."""
    for line in text.splitlines():
        path = line.split(":", 2)[-1]
        if found := _POD.search(path):
            container = _CONTAINER.search(path, found.end())
            return Place(found[1].replace("_", "-"), container[1] if container else "")
    return Place()
