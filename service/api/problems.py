"""Every error as a problem document (RFC 9457): a word, a status and one plain sentence."""

from traceback import format_exception

import structlog
from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException

from service.doors import PROBLEM_TYPE, problem
from vocabulary.errors import (
    ConflictError,
    NotFound,
    RequestRefused,
    StoreError,
    StoreUnreachable,
    TidegaugeError,
)

log = structlog.get_logger(__name__)

_STATUS: tuple[tuple[type[TidegaugeError], int, str], ...] = (
    (NotFound, 404, "not_found"),
    (ConflictError, 409, "conflict"),
    (StoreUnreachable, 503, "store_unreachable"),
    (StoreError, 502, "store_error"),
    (TidegaugeError, 500, "error"),
)
_REFUSED = {
    "forbidden": 403,
    "not_built": 403,
    "not_here": 403,
    "person": 403,
    "guarded": 409,
    "cluster": 502,
    "unauthenticated": 401,
    "too_large": 413,
    "media_type": 415,
    "too_many": 429,
}
"""HTTP status of refused requests by reason; everything else is 400."""
_WORDS = {400: "bad_request", 404: "not_found", 405: "method", 413: "too_large"}


class Refused(RequestRefused):
    """A refusal with more to say, such as the names that were meant perhaps."""

    def __init__(self, reason: str, message: str, **more: object) -> None:
        super().__init__(reason, message)
        self.more = more


def install(app: FastAPI) -> None:
    """Answer every error of *app* this way."""
    app.add_exception_handler(TidegaugeError, _deliberate)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(HTTPException, _http)
    app.add_exception_handler(Exception, _unexpected)


def _answer(status: int, reason: str, sentence: str, **more: object) -> Response:
    answer = Response(problem(status, reason, sentence, **more), status, media_type=PROBLEM_TYPE)
    if status in {429, 503}:
        answer.headers["retry-after"] = "1"
    return answer


def _deliberate(_: Request, error: Exception) -> Response:
    if isinstance(error, RequestRefused):
        more = getattr(error, "more", {})
        return _answer(_REFUSED.get(error.reason, 400), error.reason, str(error), **more)
    for kind, status, reason in _STATUS:
        if isinstance(error, kind):
            return _answer(status, reason, str(error))
    raise error


def _invalid(_: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    first = error.errors()[0]
    place = ".".join(str(part) for part in first["loc"][1:])
    sentence = f"{place}: {first['msg']}" if place else str(first["msg"])
    return _answer(400, "invalid", sentence[:300])


def _http(_: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    answer = _answer(error.status_code, _WORDS.get(error.status_code, "refused"), str(error.detail))
    answer.headers.update(error.headers or {})
    return answer


def _unexpected(request: Request, error: Exception) -> Response:
    # as text: a renderer that prints local variables would print tokens and bodies too
    log.error("request failed", path=request.url.path, error="".join(format_exception(error)))
    return _answer(500, "internal", "this failed here, not with you; the log says more")
