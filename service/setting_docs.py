"""Settings of plugins and rooms as rows: their fields, defaults, and the sentence below each."""

import dataclasses
from collections.abc import Iterator
from typing import Any, cast

import collectors
import detectors
import remediations
from fleet.roofline import Roofline
from incidents import receivers
from incidents.alertmanager import AlertmanagerSettings
from incidents.receivers._receiver import Receiver
from incidents.settings import DeskSettings
from service.execution.settings import ExecutionSettings
from service.otlp.forward import ForwardSettings
from vocabulary.contracts import Collector, Detector, Remediation
from vocabulary.discovery import discover
from vocabulary.field_docs import sentences


def setting_rows() -> Iterator[tuple[str, str, str]]:
    """(key, default, meaning) of everything that sections of the configuration may set."""
    yield from _rows("incidents", DeskSettings)
    yield from _rows("alertmanager", AlertmanagerSettings)
    yield from _rows("roofline", Roofline)
    yield from _rows("otlp_forward", ForwardSettings)
    yield from _rows("execution", ExecutionSettings)
    rooms: tuple[tuple[Any, Any], ...] = (
        (collectors, Collector), (detectors, Detector), (remediations, Remediation),
    )  # fmt: skip
    for room, contract in rooms:
        for name, plugin in discover(room, contract).items():
            yield from _rows(f"{room.__name__}.{name}", plugin)
    kinds = discover(receivers, Receiver)  # type: ignore[type-abstract]
    for name, kind in kinds.items():
        yield from _rows(f"receivers[kind: {name}]", kind)


def _rows(prefix: str, cls: type) -> Iterator[tuple[str, str, str]]:
    told = sentences(cls)
    for item in dataclasses.fields(cast("Any", cls)):
        default = "-" if item.default is dataclasses.MISSING else f"`{item.default}`"
        yield f"`{prefix}.{item.name}`", default, told.get(item.name, "")
