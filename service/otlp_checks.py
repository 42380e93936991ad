"""Whether the OTLP endpoints we are to send to take what we send, asked as we shall ask them."""

from collections.abc import Callable, Iterator

from service.checks import Check, Verdict
from service.otlp.forward import ForwardSettings
from service.otlp.streams import METRICS
from service.otlp_send import Sender
from service.otlp_send import Verdict as Answered
from service.outlets import endpoint_sender, forward_sender
from service.settings import Settings
from vocabulary.errors import ConfigError


def otlp_endpoints(settings: Settings, onward: ForwardSettings) -> Iterator[Check]:
    """One check an endpoint that is configured: an empty request, with its token and protocol."""
    if settings.otlp_endpoint:
        yield _answers("otlp_endpoint", settings.otlp_endpoint, lambda: endpoint_sender(settings))
    if onward.endpoint:
        yield _answers("otlp_forward", onward.endpoint, lambda: forward_sender(onward))


def _answers(name: str, endpoint: str, open_sender: Callable[[], Sender]) -> Check:
    try:
        sender = open_sender()
    except ConfigError as error:
        return Check(name, Verdict.BLIND, str(error), "mend the setting that is named")
    try:
        answer = sender.send(METRICS, b"")
    finally:
        sender.close()
    if answer.verdict is Answered.TAKEN:
        return Check(name, Verdict.OK, f"{endpoint} takes what is sent")
    mend = (
        "is it running, and are address and protocol right?"
        if answer.verdict is Answered.AGAIN
        else "check its token, its protocol (grpc or http) and its port (4317 or 4318)"
    )
    return Check(name, Verdict.BLIND, f"{endpoint}: {answer.why}", mend)
