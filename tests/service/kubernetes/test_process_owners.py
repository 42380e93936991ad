"""From a process of a GPU to its pod: cgroup paths of every kind, and what cannot be told."""

from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from fake_api_server import pod_body
from hypothesis import given
from hypothesis import strategies as st

from service.kubernetes.cgroups import Place, place_of
from service.kubernetes.pod_objects import pod_of
from service.kubernetes.process_owners import ProcessOwners
from vocabulary import metrics as m
from vocabulary.contracts import Collector, Scope, Target
from vocabulary.samples import Sample, Series, labels_of

UID = "6a2f0f2e-3b1c-4f0e-9d6a-0123456789ab"
LOW = UID.replace("-", "_")
ID = "c" * 60 + "0001"
STATIC = "0123456789abcdef0123456789abcdef"


@pytest.mark.parametrize(
    ("text", "place"),
    [
        (f"0::/kubepods/burstable/pod{UID}/{ID}\n", Place(UID, ID)),
        ((f"0::/kubepods.slice/kubepods-besteffort.slice/kubepods-besteffort-pod{LOW}.slice/"
         f"cri-containerd-{ID}.scope\n"), Place(UID, ID)),
        (f"0::/kubepods.slice/kubepods-pod{LOW}.slice/crio-{ID}.scope/container\n", Place(UID, ID)),
        (f"12:devices:/kubepods/pod{UID}/{ID}\n1:name=systemd:/kubepods/pod{UID}/{ID}\n",
         Place(UID, ID)),
        ((f"11:pids:/system.slice/containerd.service/kubepods-burstable-pod{LOW}.slice:"
         f"cri-containerd:{ID}\n"), Place(UID, ID)),
        (f"0::/../../kubepods-burstable-pod{LOW}.slice/docker-{ID}.scope\n", Place(UID, ID)),
        (f"0::/kubepods/burstable/pod{STATIC}/{ID}\n", Place(STATIC, ID)),
        (f"0::/kubepods/pod{UID}\n", Place(UID, "")),
        ("0::/user.slice/user-1000.slice/session-2.scope\n", Place()),
        ("0::/kubepods/podcast/x\n", Place()),
        ("", Place()),
    ],
)  # fmt: skip
def test_cgroup_paths_of_both_versions_and_drivers(text: str, place: Place) -> None:
    assert place_of(text) == place


@given(
    st.uuids(), st.from_regex(r"[0-9a-f]{64}", fullmatch=True),
    st.sampled_from(["", "burstable", "besteffort"]), st.booleans(), st.booleans(),
    st.sampled_from(["cri-containerd-", "crio-", "docker-"]),
)  # fmt: skip
def test_whatever_driver_wrote_the_path_the_uid_comes_back(
    uid: Any, container: str, quality: str, systemd: bool, old: bool, runtime: str
) -> None:
    if systemd:
        word = "-".join(["kubepods", *([quality] if quality else [])])
        low = str(uid).replace("-", "_")
        path = f"/kubepods.slice/{word}-pod{low}.slice/{runtime}{container}.scope"
    else:
        path = "/".join(["/kubepods", *([quality] if quality else []), f"pod{uid}", container])
    text = f"9:cpu,cpuacct:{path}\n" if old else f"0::{path}\n"
    assert place_of(text) == Place(str(uid), container)


@given(st.text(max_size=200))
def test_no_text_is_a_crash(text: str) -> None:
    assert place_of(text) == Place() or "pod" in text


@dataclass(frozen=True, slots=True)
class Processes(Collector):
    """Two samples a process, and one of the whole device."""

    scope = Scope.NODE
    produces = ()
    pids: tuple[str, ...] = ()

    def collect(self, target: Target, reach: Any, now: float) -> Any:
        yield Sample(Series(m.GPU_POWER.name, labels_of({"gpu": "g"})), 1.0, now)
        for pid in self.pids:
            about = labels_of({"gpu": "g", "pid": pid})
            yield Sample(Series(m.GPU_PROCESS_MEMORY.name, about), 2.0, now)


def owners(proc: Path, *pods: dict[str, Any]) -> dict[str, dict[str, str]]:
    pids = ("1", "2", "3", "4", "../1")
    reach: Any = SimpleNamespace(pods=[pod_of(one) for one in pods])
    target = Target("", labels_of({"cluster": "prod"}))
    samples = list(ProcessOwners(Processes(pids), proc).collect(target, reach, 7.0))
    assert len(samples) == 1 + len(pids)
    assert samples[0].series.labels == (("gpu", "g"),)
    told = [dict(one.series.labels) for one in samples[1:]]
    return {one.pop("pid"): one for one in told}


def test_processes_get_their_pod_and_intruders_are_told(tmp_path: Path) -> None:
    other = UID.replace("6a2f", "7b3f")
    body = pod_body("chat-1", uid=UID)
    runtime = body["status"]["containerStatuses"][0]["containerID"].removeprefix("containerd://")
    for pid, path in (
        ("1", f"/kubepods/pod{UID}/{runtime}"),
        ("2", "/user.slice/session-1.scope"),
        ("3", f"/kubepods/pod{other}/{'d' * 64}"),
    ):
        (tmp_path / pid).mkdir()
        (tmp_path / pid / "cgroup").write_text(f"0::{path}\n")
        (tmp_path / pid / "comm").write_bytes(b"a\x1b[31mvery\xfflong name\n")
    told = owners(tmp_path, body, pod_body("spy", uid=other, limits={}))
    assert told["1"] == {
        "gpu": "g", "cluster": "prod", "namespace": "llm", "pod": "chat-1", "pool": "llm/chat",
        "replica": f"prod/llm/{UID}/vllm", "owner": "pod",
    }  # fmt: skip
    assert told["2"] == {"gpu": "g", "owner": "unallocated", "command": "a?[31mvery\ufffdlong"}
    assert told["3"]["command"] == told["2"]["command"]
    assert (told["3"]["owner"], told["3"]["pod"]) == ("unallocated", "spy")
    assert "replica" not in told["3"], "its container is not known"
    assert told["4"] == told["../1"] == {"gpu": "g"}, "what cannot be told is not guessed"


def test_without_pods_nothing_is_called_unallocated(tmp_path: Path) -> None:
    (tmp_path / "2").mkdir()
    (tmp_path / "2" / "cgroup").write_text("0::/user.slice\n")
    assert owners(tmp_path)["2"] == {"gpu": "g"}
