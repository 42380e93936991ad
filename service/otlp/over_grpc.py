"""OTLP over gRPC: the same receiver behind the collector services' Export methods.

Bodies reach us as bytes, so that they are weighed before they are decoded; gRPC itself refuses a
message that is too large, inflated or not.
"""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import grpc  # type: ignore[import-untyped]
from google.protobuf.message import Message

from service.doors import Doors, Right, check_right
from service.otlp.receiver import Receiver
from service.otlp.streams import STREAMS, Stream
from vocabulary.contracts import Clock
from vocabulary.errors import ConfigError, RequestRefused, StoreError

_CODES = {
    "unauthenticated": grpc.StatusCode.UNAUTHENTICATED,
    "forbidden": grpc.StatusCode.PERMISSION_DENIED,
    "too_large": grpc.StatusCode.RESOURCE_EXHAUSTED,
    "too_many_messages": grpc.StatusCode.RESOURCE_EXHAUSTED,
}
"""Codes by reason; everything else is INVALID_ARGUMENT. No exporter sends these again, and
RESOURCE_EXHAUSTED only where RetryInfo comes with it, which it does not."""


def listen(
    receiver: Receiver,
    doors: Doors,
    clock: Clock,
    address: str,
    credentials: grpc.ServerCredentials | None = None,
) -> tuple[grpc.Server, int]:
    """Start a server on *address* (`127.0.0.1:4317`); gives it and the port it got.

    Call `service.doors.check_listen` first. Stop it with `server.stop(seconds)`.

    Raises:
        ConfigError: The address cannot be listened on.
    """
    server = grpc.server(
        ThreadPoolExecutor(4, thread_name_prefix="otlp-grpc"),
        options=_options(receiver),
        maximum_concurrent_rpcs=receiver.limits.in_flight * 2,
    )
    server.add_generic_rpc_handlers(
        [_handler(receiver, doors, clock, stream) for stream in STREAMS]
    )
    try:
        if credentials is None:
            port = server.add_insecure_port(address)
        else:
            port = server.add_secure_port(address, credentials)
    except RuntimeError as error:
        raise ConfigError(
            f"cannot listen on {address} for OTLP over gRPC: is the port taken? "
            "Choose another with --otlp-grpc-port, or 0 for none"
        ) from error
    server.start()
    return server, port


def _options(receiver: Receiver) -> list[tuple[str, int]]:
    return [
        ("grpc.max_receive_message_length", receiver.limits.max_body_bytes),
        ("grpc.max_metadata_size", 16 << 10),
        ("grpc.max_concurrent_streams", receiver.limits.in_flight),
        ("grpc.server_handshake_timeout_ms", 10_000),
        ("grpc.max_connection_idle_ms", 300_000),
        ("grpc.keepalive_time_ms", 60_000),
        ("grpc.so_reuseport", 0),
    ]


def _handler(
    receiver: Receiver, doors: Doors, clock: Clock, stream: Stream
) -> grpc.GenericRpcHandler:
    def export(body: bytes, context: grpc.ServicerContext) -> Message:
        try:
            metadata = {str(key): value for key, value in context.invocation_metadata()}
            caller = doors.admit(_text(metadata.get("authorization")), clock.now())
            check_right(caller, Right.INGEST)
            return receiver.take(stream, body, caller.believed)
        except RequestRefused as refusal:
            code = _CODES.get(refusal.reason, grpc.StatusCode.INVALID_ARGUMENT)
            context.abort(code, str(refusal))
        except StoreError as error:
            context.abort(grpc.StatusCode.UNAVAILABLE, f"not kept: {error}")
        raise AssertionError("abort does not return")

    serialize: Callable[[Message], bytes] = stream.answer.SerializeToString
    method = grpc.unary_unary_rpc_method_handler(export, response_serializer=serialize)
    return grpc.method_handlers_generic_handler(stream.service, {"Export": method})


def _text(value: str | bytes | None) -> str | None:
    return value.decode("latin-1") if isinstance(value, bytes) else value
