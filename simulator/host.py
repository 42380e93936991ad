"""What a node says of the pods whose processes share its GPUs: the kubelet's list, and /proc.

Only of nodes whose GPUs are given out in slots: elsewhere a GPU has one holder, and its processes
are nobody else's.
"""

from collections.abc import Sequence

from simulator import guests
from simulator.cluster import NAMESPACE
from simulator.holdings import pid_of
from simulator.world import World
from vocabulary.pods import Container, Pod

_GUEST_CONTAINER = "notebook"


def pods_on(world: World, node: str) -> Sequence[Pod]:
    """Pods of *node* as the kubelet lists them; none where no GPU is shared."""
    visitors = [guest for gpu, guest in world.bank.guests.items()
                if world.bank.places[gpu].node == node]  # fmt: skip
    if not visitors:
        return ()
    own = [
        _pod(NAMESPACE, one.name, one.uid, one.pool.name, one.pool.server)
        for one in world.pods()
        if one.node == node
    ]
    theirs = [_pod(guests.NAMESPACE, one.name, one.uid, "", _GUEST_CONTAINER) for one in visitors]
    return (*own, *theirs)


def proc(world: World, pid: str, name: str) -> str | None:
    """The text of `/proc/<pid>/<name>`; None when no such process runs."""
    uids = (*(one.uid for one in world.pods()), *(one.uid for one in world.bank.guests.values()))
    uid = next((one for one in uids if str(pid_of(one)) == pid), None)
    if uid is None:
        return None
    if name == "comm":
        return "python3\n"
    slice_ = f"kubepods-pod{uid.replace('-', '_')}.slice"
    return f"0::/kubepods.slice/{slice_}/cri-containerd-{_runtime_id(uid)}.scope\n"


def _pod(namespace: str, name: str, uid: str, owner: str, container: str) -> Pod:
    return Pod(
        namespace, name, uid, uid, owner, "Running", asks_for_gpu=True,
        containers=(Container(container, runtime_id=_runtime_id(uid)),),
    )  # fmt: skip


def _runtime_id(uid: str) -> str:
    """64 digits, as containerd's."""
    return uid.replace("-", "") * 2
