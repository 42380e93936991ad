"""What was done to a workload, told from two looks at it: a rollout, a scaling act, its end."""

from collections.abc import Iterator, Mapping

from fleet import identity
from service.kubernetes.workload_objects import HIDDEN, Workload
from vocabulary.entities import Change

_SHOWN = 4
"""Differences of one kind that one statement names; the rest is counted."""


def changes_between(
    before: Workload | None, after: Workload | None, now: float
) -> Iterator[Change]:
    """What is new of a workload that serves models; of others nothing."""
    one = after or before
    if one is None or not (one.serves or (before is not None and before.serves)):
        return
    pool = identity.pool(one.pool)
    for kind, what in _statements(before, after):
        yield Change(now, kind, pool, what, one.pool)


def _statements(before: Workload | None, after: Workload | None) -> Iterator[tuple[str, str]]:
    if before is None and after is not None:
        images = ", ".join(sorted(set(after.images.values())))
        yield "rollout", f"{after.kind} {after.name} was created ({images})"
        return
    if after is None and before is not None:
        yield "rollout", f"{before.kind} {before.name} was deleted"
        return
    assert before is not None
    assert after is not None
    if before.serves != after.serves:
        yield "rollout", f"{after.name} {'begins' if after.serves else 'ceases'} to serve a model"
        return
    if before.replicas != after.replicas and None not in {before.replicas, after.replicas}:
        yield "scale", f"replicas asked for {before.replicas} → {after.replicas}"
    if before.paused != after.paused:
        yield "config", f"rollout of {after.name} {'paused' if after.paused else 'resumed'}"
    told = [
        *_values("image", {"": before.images}, {"": after.images}),
        *_values("arguments", before.arguments, after.arguments),
        *_names("environment", before.environment, after.environment),
        *_values("resources", before.resources, after.resources),
    ]
    if before.config_maps != after.config_maps:
        gone, new = (
            sorted(a.keys() - b.keys())
            for a, b in (
                (before.config_maps, after.config_maps),
                (after.config_maps, before.config_maps),
            )
        )
        named = [f"-{name}" for name in gone] + [f"+{name}" for name in new]
        told.append(f"config maps named: {_list(named)}")
    if before.restarted != after.restarted and after.restarted:
        told.append(f"restart of all pods of {after.name} asked for")
    if not told and before.template != after.template:
        told.append(f"another part of the pod template of {after.name} changed")
    yield from (("rollout", what) for what in told)


def _values(
    what: str, before: Mapping[str, Mapping[str, str]], after: Mapping[str, Mapping[str, str]]
) -> Iterator[str]:
    """`arguments of vllm: --max-num-seqs 256 → 128, +--enforce-eager`."""
    for name in sorted({*before, *after}):
        old, new = before.get(name, {}), after.get(name, {})
        told = []
        for key in sorted({*old, *new}):
            if old.get(key) == new.get(key):
                continue
            if key not in new:
                told.append(f"-{_pair(key, old[key])}")
            elif key not in old:
                told.append(f"+{_pair(key, new[key])}")
            elif HIDDEN in f"{old[key]}{new[key]}":
                told.append(f"{key} changed (not shown)")
            else:
                told.append(f"{key} {old[key] or '(none)'} → {new[key] or '(none)'}")
        if told:
            yield f"{what}{f' of {name}' if name else ''}: {_list(told)}"


def _names(
    what: str, before: Mapping[str, Mapping[str, str]], after: Mapping[str, Mapping[str, str]]
) -> Iterator[str]:
    """Which variables changed, came and went; never their values."""
    for name in sorted({*before, *after}):
        old, new = before.get(name, {}), after.get(name, {})
        told = [f"-{key}" for key in sorted(old.keys() - new.keys())]
        told += [f"+{key}" for key in sorted(new.keys() - old.keys())]
        told += [key for key in sorted(old.keys() & new.keys()) if old[key] != new[key]]
        if told:
            yield f"{what} of {name}: {_list(told)} (values not shown)"


def _pair(key: str, value: str) -> str:
    return f"{key} (not shown)" if HIDDEN in value else f"{key} {value}".strip()


def _list(told: list[str]) -> str:
    more = len(told) - _SHOWN
    return ", ".join(told[:_SHOWN]) + (f" and {more} more" if more > 0 else "")
