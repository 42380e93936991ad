"""One question to NVML and what becomes of its answer, which may be missing alone."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

from vocabulary.errors import SourceLost
from vocabulary.metrics import Metric

Said = TypeVar("Said")

Fact = tuple[Metric, Mapping[str, str], float]
"""A metric, its own labels, its value."""


@dataclass(frozen=True, slots=True)
class Signal:
    """One call and what becomes of its answer."""

    metrics: tuple[Metric, ...]
    read: Callable[[Any, Any], Iterable[Fact]]
    """Of the module and a device handle."""


def read_signal(signal: Signal, nvml: Any, handle: Any) -> list[Fact]:
    """What the signal says; nothing where the device, the driver or the package lacks it.

    Raises:
        SourceLost: The device is gone.
    """
    return ask(nvml, lambda: signal.read(nvml, handle))


def ask(nvml: Any, question: Callable[[], Iterable[Said]]) -> list[Said]:
    """What NVML answers; nothing where the device, the driver or the package lacks the call.

    It is asked again next time, because what is refused may change with a MIG layout or a reset.

    Raises:
        SourceLost: The device is gone.
    """
    try:
        return list(question())
    except nvml.NVMLError as error:
        if error.value == nvml.NVML_ERROR_GPU_IS_LOST:
            raise SourceLost("the GPU has fallen off the bus") from error
        return []
    except AttributeError:  # a package older than the call
        return []


def first_of(nvml: Any, newer: Callable[[], Any], older: Callable[[], Any]) -> Any:
    """The newer call's answer, or the older one's where driver or package lack the newer."""
    try:
        return newer()
    except AttributeError:
        return older()
    except nvml.NVMLError as error:
        if error.value == nvml.NVML_ERROR_GPU_IS_LOST:
            raise
        return older()
