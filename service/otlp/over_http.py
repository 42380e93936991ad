"""OTLP over HTTP: protobuf or JSON, plain or gzip, with the answers the specification asks for."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from fastapi import APIRouter, Request, Response
from google.protobuf import json_format
from google.protobuf.message import Message
from google.rpc.status_pb2 import Status  # type: ignore[import-untyped]
from starlette.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect

from service.otlp.limits import Limits
from service.otlp.receiver import Receiver
from service.otlp.streams import STREAMS, Stream
from service.otlp.wire import Body
from vocabulary.errors import RequestRefused, StoreError

PROTOBUF = "application/x-protobuf"
JSON = "application/json"
_STATUS = {
    "too_large": 413,
    "too_many_messages": 413,
    "media_type": 415,
    "timeout": 408,
    "busy": 503,
}
"""HTTP status by reason; everything else is 400. Only 503 invites the sender to try again."""
_CODE = {400: 3, 408: 4, 413: 8, 415: 3, 503: 14}
"""gRPC's codes for them, as the answer's body repeats them."""


def router(receiver: Receiver) -> APIRouter:
    """The three paths of OTLP."""
    routes = APIRouter(tags=["OTLP"])
    slots = _Slots(receiver.limits.in_flight)
    for stream in STREAMS:
        routes.add_api_route(
            f"/v1/{stream.name}",
            _endpoint(receiver, stream, slots),
            methods=["POST"],
            name=f"otlp_{stream.name}",
            summary=f"Take {stream.name} over OTLP/HTTP",
            description=f"Body: {stream.request.__name__} as protobuf or JSON, gzip allowed. "
            "What is not kept is counted in `partialSuccess`.",
            response_class=Response,
            openapi_extra=_BODY,
        )
    return routes


_BODY: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {
            PROTOBUF: {"schema": {"type": "string", "format": "binary"}},
            JSON: {"schema": {"type": "object"}},
        },
    }
}


class _Slots:
    """How many bodies are being read; touched by the event loop alone."""

    def __init__(self, room: int) -> None:
        self.free = room

    def __enter__(self) -> None:
        if self.free <= 0:
            raise RequestRefused("busy", "too many requests at once; come again in a moment")
        self.free -= 1

    def __exit__(self, *_: object) -> None:
        self.free += 1


def _endpoint(
    receiver: Receiver, stream: Stream, slots: _Slots
) -> Callable[[Request], Awaitable[Response]]:
    async def export(request: Request) -> Response:
        as_json = counted = False
        try:
            as_json = _is_json(request)
            with slots:
                body = await _read(request, receiver.limits)
                believed = request.state.caller.believed
                counted = True  # by the receiver, whatever comes
                answer = await run_in_threadpool(receiver.take, stream, body, believed, as_json)
        except ClientDisconnect:
            return Response(status_code=400)
        except RequestRefused as refusal:
            if not counted:
                receiver.count(refusal.reason)
            status = _STATUS.get(refusal.reason, 400)
            return _refusal(status, str(refusal), as_json, receiver.limits)
        except StoreError as error:
            return _refusal(503, f"not kept: {error}", as_json, receiver.limits)
        return _response(200, answer, as_json)

    return export


def _is_json(request: Request) -> bool:
    media = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if media not in {PROTOBUF, JSON}:
        raise RequestRefused("media_type", f"send {PROTOBUF} or {JSON}, not {media[:50]!r}")
    return media == JSON


async def _read(request: Request, limits: Limits) -> bytearray:
    coding = request.headers.get("content-encoding", "identity").strip().lower()
    if coding not in {"identity", "gzip", ""}:
        raise RequestRefused("media_type", f"send gzip or no encoding, not {coding[:50]!r}")
    body = Body(limits, gzip=coding == "gzip")
    try:
        async with asyncio.timeout(limits.body_seconds):
            async for piece in request.stream():
                body.feed(piece)
    except TimeoutError as error:
        raise RequestRefused(
            "timeout", f"the body took longer than {limits.body_seconds:g} s"
        ) from error
    return body.whole()


def _refusal(status: int, sentence: str, as_json: bool, limits: Limits) -> Response:
    answer = _response(status, Status(code=_CODE[status], message=sentence), as_json)
    if status == 503:
        answer.headers["retry-after"] = str(limits.retry_after_seconds)
    if status in {408, 413}:
        answer.headers["connection"] = "close"
    return answer


def _response(status: int, message: Message, as_json: bool) -> Response:
    if as_json:
        return Response(json_format.MessageToJson(message, indent=None), status, media_type=JSON)
    return Response(message.SerializeToString(), status, media_type=PROTOBUF)
