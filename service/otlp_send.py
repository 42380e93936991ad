"""Protobuf bodies to an OTLP endpoint, over HTTP or gRPC, and what its answer means.

The rules are OTLP's own (opentelemetry.io/docs/specs/otlp): which answers invite another try, how
long the peer asks us to wait, and how much of a body it took. Nothing is sent on to another host,
no proxy is read from the environment, and an answer is read up to a limit.
"""

import gzip
import math
import ssl
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import urlsplit

import grpc  # type: ignore[import-untyped]
import httpx2
from google.protobuf.message import DecodeError, Message
from google.rpc.error_details_pb2 import RetryInfo  # type: ignore[import-untyped]
from google.rpc.status_pb2 import Status  # type: ignore[import-untyped]

from service.otlp.streams import Stream
from vocabulary.errors import ConfigError

_ANSWER_BYTES = 64 << 10
_LONGEST_WAIT = 300.0
"""Seconds beyond which we come again sooner than the peer asked. The Collector gives up there."""
_AGAIN = frozenset({429, 502, 503, 504})
_GRPC_AGAIN = frozenset(
    {
        grpc.StatusCode.CANCELLED,
        grpc.StatusCode.DEADLINE_EXCEEDED,
        grpc.StatusCode.ABORTED,
        grpc.StatusCode.OUT_OF_RANGE,
        grpc.StatusCode.UNAVAILABLE,
        grpc.StatusCode.DATA_LOSS,
    }
)


class Verdict(StrEnum):
    """What became of a body."""

    TAKEN = "taken"
    AGAIN = "again"
    """Not now: the same body may be taken later."""
    REFUSED = "refused"
    """Never, however often it is sent."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What the endpoint said."""

    verdict: Verdict
    why: str = ""
    """One line; never a header of ours, which may hold a token."""
    rejected: int = 0
    """Points or spans of a body that was taken for the rest (partial success)."""
    wait_seconds: float = 0.0
    """How long it asked us to wait (Retry-After, RetryInfo)."""


class Sender(Protocol):
    """Carries bodies to one endpoint. `send` raises nothing."""

    def send(self, stream: Stream, body: bytes) -> Answer:
        """Hand over one request of *stream*, and wait for the answer."""
        ...

    def close(self) -> None:
        """Let go of connections; a send under way ends soon."""
        ...


def sender_of(
    endpoint: str,
    protocol: str,
    headers: Mapping[str, str],
    timeout_seconds: float = 10.0,
    *,
    compress: bool = True,
    ca_file: Path | None = None,
) -> Sender:
    """The sender for *protocol*, grpc or http.

    With *ca_file* (PEM), its certificates are trusted instead of the system's.

    Raises:
        ConfigError: The protocol is another, or the endpoint cannot be one.
    """
    try:
        authorities = None if ca_file is None else ca_file.read_bytes()
    except OSError as error:
        raise ConfigError(f"cannot read {ca_file}: {error.strerror}") from error
    if protocol == "http":
        return HttpSender(endpoint, headers, timeout_seconds, authorities, compress=compress)
    if protocol == "grpc":
        return GrpcSender(endpoint, headers, timeout_seconds, authorities, compress=compress)
    raise ConfigError(f"an OTLP protocol must be grpc or http, and is {protocol!r}")


class HttpSender:
    """OTLP/HTTP with protobuf bodies."""

    def __init__(
        self,
        endpoint: str,
        headers: Mapping[str, str],
        timeout_seconds: float,
        authorities: bytes | None = None,
        *,
        compress: bool = True,
    ) -> None:
        if not endpoint.startswith(("http://", "https://")):
            raise ConfigError(f"{endpoint!r} is no URL; write for example http://collector:4318")
        self._endpoint, self._compress = endpoint.rstrip("/"), compress
        coding = {"content-encoding": "gzip"} if compress else {}
        self._client = httpx2.Client(
            headers={**headers, "content-type": "application/x-protobuf", **coding},
            timeout=timeout_seconds,
            verify=_trusting(authorities),
            trust_env=False,
            follow_redirects=False,
        )

    def send(self, stream: Stream, body: bytes) -> Answer:
        """POST to `/v1/<stream>` under the endpoint, or to the endpoint where it says so itself."""
        path = f"/v1/{stream.name}"
        url = self._endpoint if self._endpoint.endswith(path) else self._endpoint + path
        wire = gzip.compress(body, 1) if self._compress else body
        try:
            with self._client.stream("POST", url, content=wire) as response:
                content = _bounded(response)
        except (httpx2.HTTPError, OSError, RuntimeError) as error:
            return Answer(Verdict.AGAIN, f"{type(error).__name__}: {error}")
        status = response.status_code
        if 200 <= status < 300:
            return _taken(stream, content)
        why = f"HTTP {status} {_said(content)}".rstrip()
        if status in _AGAIN:
            return Answer(Verdict.AGAIN, why, wait_seconds=_seconds(response))
        return Answer(Verdict.REFUSED, why)

    def close(self) -> None:
        """Close the connections."""
        self._client.close()


class GrpcSender:
    """OTLP/gRPC; `http://` in the endpoint means no TLS, anything else TLS."""

    def __init__(
        self,
        endpoint: str,
        headers: Mapping[str, str],
        timeout_seconds: float,
        authorities: bytes | None = None,
        *,
        compress: bool = True,
    ) -> None:
        parts = urlsplit(endpoint if "://" in endpoint else f"https://{endpoint}")
        if not parts.netloc or parts.scheme not in {"http", "https"}:
            raise ConfigError(f"{endpoint!r} is no endpoint; write for example http://node:4317")
        coding = grpc.Compression.Gzip if compress else grpc.Compression.NoCompression
        options = [("grpc.enable_http_proxy", 0)]
        if parts.scheme == "http":
            self._channel = grpc.insecure_channel(parts.netloc, options, coding)
        else:
            tls = grpc.ssl_channel_credentials(authorities)
            self._channel = grpc.secure_channel(parts.netloc, tls, options, coding)
        self._metadata = [(name.lower(), value) for name, value in headers.items()]
        self._timeout = timeout_seconds

    def send(self, stream: Stream, body: bytes) -> Answer:
        """Call the Export method of the stream's service."""
        call = self._channel.unary_unary(f"/{stream.service}/Export")
        try:
            content = call(body, timeout=self._timeout, metadata=self._metadata)
        except grpc.RpcError as error:
            return _grpc_failure(error)
        except ValueError as error:  # what a closed channel says
            return Answer(Verdict.AGAIN, f"{type(error).__name__}: {error}")
        return _taken(stream, content)

    def close(self) -> None:
        """Close the channel; a call under way is cancelled."""
        self._channel.close()


def _trusting(authorities: bytes | None) -> ssl.SSLContext:
    try:
        return ssl.create_default_context(cadata=authorities and authorities.decode("ascii"))
    except (ssl.SSLError, UnicodeDecodeError) as error:
        raise ConfigError(f"the CA file of an OTLP endpoint holds no PEM: {error}") from error


def _grpc_failure(error: Any) -> Answer:
    code = error.code()
    why = f"gRPC {code.name} {str(error.details())[:200]}"
    wait = _retry_info(error.trailing_metadata() or ())
    exhausted = code is grpc.StatusCode.RESOURCE_EXHAUSTED and wait is not None
    if code in _GRPC_AGAIN or exhausted:
        return Answer(Verdict.AGAIN, why, wait_seconds=wait or 0.0)
    return Answer(Verdict.REFUSED, why)


def _retry_info(metadata: Sequence[tuple[str, str | bytes]]) -> float | None:
    """Seconds that the server's RetryInfo asks for; None where it gave none."""
    for key, value in metadata:
        if key != "grpc-status-details-bin" or isinstance(value, str):
            continue
        try:
            details = Status.FromString(value).details
        except DecodeError:
            return None
        for detail in details:
            info = RetryInfo()
            if detail.Is(RetryInfo.DESCRIPTOR) and detail.Unpack(info):
                return _within(info.retry_delay.seconds + info.retry_delay.nanos / 1e9)
    return None


def _taken(stream: Stream, content: bytes) -> Answer:
    """A success; an answer nobody can read is one too, since the body was taken."""
    try:
        answer: Message = stream.answer.FromString(content)
    except DecodeError:
        return Answer(Verdict.TAKEN)
    partial = answer.partial_success  # type: ignore[attr-defined]
    rejected = max(0, int(getattr(partial, stream.rejected)))
    return Answer(Verdict.TAKEN, partial.error_message[:200], rejected)


def _bounded(response: httpx2.Response) -> bytes:
    content = bytearray()
    for chunk in response.iter_bytes():
        content += chunk
        if len(content) > _ANSWER_BYTES:
            break
    return bytes(content[:_ANSWER_BYTES])


def _said(content: bytes) -> str:
    """What a refusal says: a Status, or the beginning of whatever it is."""
    try:
        text = str(Status.FromString(content).message)
    except DecodeError:
        text = content[:200].decode("utf-8", "replace")
    return "".join(one for one in text if one.isprintable())[:200]


def _seconds(response: httpx2.Response) -> float:
    """Retry-After in seconds; a date is passed over, since our clocks may differ."""
    try:
        return _within(float(response.headers.get("retry-after", "0")))
    except ValueError:
        return 0.0


def _within(seconds: float) -> float:
    return 0.0 if math.isnan(seconds) else min(max(0.0, seconds), _LONGEST_WAIT)
