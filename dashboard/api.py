"""The console's only source: the HTTP API. Reads are cached for a moment, writes never repeat."""

import os
import uuid
from collections.abc import Mapping
from typing import Any

import httpx2
import streamlit as st

API_VARIABLE = "TIDEGAUGE_API_URL"
TOKEN_VARIABLE = "TIDEGAUGE_TOKEN"  # noqa: S105 - the name of a variable, not a secret
READ_SECONDS = 2.0
"""How old a cached answer may be: below the quickest refresh, so that one page asks once."""


class ApiError(Exception):
    """The API did not answer, or answered no; the sentence is fit to be shown."""


class Api:
    """Talks to `tidegauge serve`."""

    def __init__(self, url: str, token: str) -> None:
        self.url = url.rstrip("/")
        self._token = token

    def get(self, path: str, **query: Any) -> Any:
        """The JSON at *path*."""
        wanted = tuple(sorted((k, str(v)) for k, v in query.items() if v not in {None, ""}))
        return _cached_get(self.url, self._token, path, wanted)

    def text(self, path: str, **query: str) -> str:
        """The document at *path*, or the sentence why there is none; never kept."""
        try:
            return _send("GET", self.url + path, headers=_headers(self._token), params=query).text
        except ApiError as error:
            return str(error)

    def post(self, path: str, body: Mapping[str, Any]) -> Any:
        """Act once; then forget what was read before."""
        headers = {**_headers(self._token), "Idempotency-Key": uuid.uuid4().hex}
        answer = _request("POST", self.url + path, headers=headers, json=dict(body))
        _cached_get.clear()
        return answer


def from_environment() -> Api:
    """The API that whoever started the console named."""
    return Api(
        os.environ.get(API_VARIABLE, "http://127.0.0.1:8780"), os.environ.get(TOKEN_VARIABLE, "")
    )


def _headers(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"} if token else {}


@st.cache_data(ttl=READ_SECONDS, max_entries=500, show_spinner=False)
def _cached_get(url: str, token: str, path: str, query: tuple[tuple[str, str], ...]) -> Any:
    return _request("GET", url + path, headers=_headers(token), params=dict(query))


def _request(method: str, url: str, **arguments: Any) -> Any:
    return _send(method, url, **arguments).json()


def _send(method: str, url: str, **arguments: Any) -> httpx2.Response:
    try:
        answer = httpx2.request(method, url, timeout=10.0, trust_env=False, **arguments)
    except httpx2.HTTPError as error:
        raise ApiError(
            f"No answer from the API ({type(error).__name__}). Is `tidegauge serve` running?"
        ) from error
    if answer.status_code == 401:
        raise ApiError(
            "The API refused the console's token. Set TIDEGAUGE_TOKEN to the API's token."
        )
    if answer.status_code >= 400:
        try:
            reason = answer.json().get("detail", "")
        except ValueError:
            reason = ""
        raise ApiError(str(reason) or f"The API answered HTTP {answer.status_code}.")
    return answer
