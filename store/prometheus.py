"""Signals asked of a Prometheus-compatible backend over its HTTP API."""

import json
from collections.abc import Mapping
from typing import Any

import httpx2
import numpy as np

from store.columns import Millis, grid
from store.dialect import Dialect
from store.promql import render_signal
from vocabulary.errors import StoreError, StoreUnreachable
from vocabulary.expressions import Signal
from vocabulary.metrics import TARGET_UP
from vocabulary.samples import Array, Frame, Labels, empty_frame, labels_of

MOST_POINTS = 11_000
"""Points a series may have in one answer (Prometheus' own limit): longer ranges are split."""
MOST_BYTES = 256 * 2**20
"""Bytes of one answer that are read (our judgement: 10,000 series at 240 moments are 50 MB)."""
_MOST_WARNINGS = 50
_MOST_TEXT = 500


class PrometheusStore:
    """Implements `store.asking.Asking` against *url*, the server's root or its path prefix.

    *headers* go with every question (`Authorization: Bearer …`, `X-Scope-OrgID`); a user and a
    password in the URL become basic authentication. With a *dialect* a backend that holds only
    the servers' own names can be asked. *transport* replaces the network.

    Raises:
        StoreError: The URL is none.
    """

    def __init__(
        self,
        url: str,
        headers: Mapping[str, str] | None = None,
        dialect: Dialect | None = None,
        *,
        timeout_seconds: float = 30.0,
        transport: httpx2.BaseTransport | None = None,
    ) -> None:
        self._dialect = dialect
        self._warnings: dict[str, None] = {}
        try:
            base = httpx2.URL(url.rstrip("/"))
        except (httpx2.InvalidURL, ValueError) as error:
            raise StoreError(f"the Prometheus URL cannot be read: {error}") from error
        if base.scheme not in {"http", "https"} or not base.host:
            raise StoreError("a Prometheus URL begins with http:// or https:// and names a host")
        self._shown = str(base.copy_with(username=None, password=None, query=None))
        # Redirects are never followed, and no proxy is taken from the environment: credentials
        # go to the host that was named, and to no other.
        self._client = httpx2.Client(
            base_url=base,
            headers=dict(headers or {}),
            timeout=timeout_seconds,
            transport=transport,
            trust_env=False,
            follow_redirects=False,
        )

    @property
    def shown(self) -> str:
        """Its URL without credentials, for people."""
        return self._shown

    @property
    def warnings(self) -> tuple[str, ...]:
        """What the backend remarked on its answers, each once."""
        return tuple(self._warnings)

    def evaluate(self, signal: Signal, start: float, end: float, step: float) -> Frame:
        """*signal* at start, start + step, … up to and including end (Unix seconds).

        Raises:
            StoreUnreachable: The backend does not answer.
            StoreError: It answered with an error, or with something that is no answer.
        """
        moments = grid(start, end, step)
        if not len(moments):
            return empty_frame(moments / 1000.0)
        query = render_signal(signal, dialect=self._dialect)
        rows: dict[Labels, Array] = {}
        for begin in range(0, len(moments), MOST_POINTS):
            part = moments[begin : begin + MOST_POINTS]
            answer = self._ask(
                "query_range",
                {
                    "query": query,
                    "start": f"{part[0] / 1000:.3f}",
                    "end": f"{part[-1] / 1000:.3f}",
                    "step": f"{round(step * 1000) / 1000:.3f}",
                    # Keeps VictoriaMetrics from moving the moments; Prometheus ignores it.
                    "nocache": "1",
                },
            )
            for one in _result(answer):
                labels = _labels(one)
                row = rows.setdefault(labels, np.full(len(moments), np.nan))
                _fill(row, moments, one.get("values", []))
        kept = sorted(labels for labels, row in rows.items() if not np.isnan(row).all())
        if not kept:
            return empty_frame(moments / 1000.0)
        return Frame(tuple(kept), moments / 1000.0, np.stack([rows[labels] for labels in kept]))

    def newest(self) -> float | None:
        """Time of the newest sample, or None when there is none.

        Asks for `up` and for our own `tidegauge_target_up`; where neither is fresh, for the end
        of Prometheus' head block. Of a backend with neither, nothing is known: None.
        """
        query = f"max(timestamp(up) or timestamp({TARGET_UP}))"
        found = [
            float(one["value"][1])
            for one in _result(self._ask("query", {"query": query}))
            if "value" in one
        ]
        if found:
            return found[0]
        try:
            stats = self._ask("status/tsdb", None).get("headStats", {})
        except StoreUnreachable:
            raise
        except StoreError:
            return None  # not a Prometheus, and its newest sample is older than the lookback
        newest = stats.get("maxTime", -1)
        return newest / 1000.0 if isinstance(newest, int | float) and newest > 0 else None

    def _ask(self, what: str, form: Mapping[str, str] | None) -> dict[str, Any]:
        method = "GET" if form is None else "POST"
        try:
            with self._client.stream(method, f"/api/v1/{what}", data=form) as response:
                body = bytearray()
                for piece in response.iter_bytes():
                    body += piece
                    if len(body) > MOST_BYTES:
                        raise StoreError(
                            f"{self._shown} answered more than {MOST_BYTES >> 20} MiB; "
                            "widen the step or shorten the range"
                        )
                return self._data(response.status_code, bytes(body))
        except httpx2.TimeoutException as error:
            raise StoreUnreachable(f"{self._shown} did not answer in time") from error
        except (httpx2.TransportError, httpx2.DecodingError) as error:
            raise StoreUnreachable(f"{self._shown} does not answer: {error}") from error

    def _data(self, status: int, body: bytes) -> dict[str, Any]:
        try:
            answer = json.loads(body)
        except ValueError:
            answer = None
        if status in {401, 403}:
            raise StoreError(f"{self._shown} refuses our credentials (HTTP {status})")
        if not isinstance(answer, dict) or "status" not in answer:
            if status in {502, 503, 504}:
                raise StoreUnreachable(f"{self._shown} is not ready (HTTP {status})")
            raise StoreError(f"{self._shown} answered HTTP {status} and no Prometheus answer")
        if answer["status"] != "success":
            said = f"{answer.get('errorType', 'error')}: {answer.get('error', '')}"
            raise StoreError(f"{self._shown} answered {said[:_MOST_TEXT]}")
        for remark in (*(answer.get("warnings") or ()), *(answer.get("infos") or ())):
            if len(self._warnings) < _MOST_WARNINGS:
                self._warnings[str(remark)[:_MOST_TEXT]] = None
        data = answer.get("data")
        if not isinstance(data, dict):
            raise StoreError(f"{self._shown} answered without data")
        return data

    def close(self) -> None:
        """Close the connections."""
        self._client.close()


def _result(data: Mapping[str, Any]) -> list[dict[str, Any]]:
    found = data.get("result")
    if not isinstance(found, list) or not all(isinstance(one, dict) for one in found):
        raise StoreError("the backend answered something that is no vector and no matrix")
    return found


def _labels(one: Mapping[str, Any]) -> Labels:
    metric = one.get("metric") or {}
    return labels_of((str(k), str(v)) for k, v in metric.items() if k != "__name__")


def _fill(row: Array, moments: Millis, pairs: object) -> None:
    """Put (time, value) *pairs* where they belong; what lies on no moment was not asked for."""
    try:
        table = np.array(pairs or np.empty((0, 2)), dtype=np.float64).reshape(-1, 2)
    except (TypeError, ValueError) as error:
        raise StoreError("the backend answered values that are no numbers") from error
    times = np.rint(table[:, 0] * 1000).astype(np.int64)
    places = np.minimum(np.searchsorted(moments, times), len(moments) - 1)
    asked = moments[places] == times
    row[places[asked]] = table[asked, 1]
