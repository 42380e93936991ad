"""Changes over real OTLP doors: at least once out of the agent, once into the feed, none unseen."""

import time
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from otlp_bodies.recorded import RECORDED_AT, Kept
from otlp_bodies.served import AGENT, APP, both

from fleet.changes import ChangeFeed
from service.otlp.streams import Stream
from service.otlp_logs_out import ChangeExport
from service.otlp_send import Answer, Verdict, sender_of
from vocabulary.entities import Change, Entity, EntityKind
from vocabulary.errors import StoreUnreachable

ABOUT = {"service.name": "tidegauge-agent"}
REPLICA = Entity(EntityKind.REPLICA, "c/ns/u/x", "x-0")
RESTART = Change(RECORDED_AT - 5.25, "restart", REPLICA, "x-0 restarted: x ended", "ns/p", "u/1")
XID = Change(RECORDED_AT - 4, "xid", Entity(EntityKind.GPU, "GPU-1"), "Xid 79 on n1")


def until(true: Callable[[], object]) -> None:
    end = time.monotonic() + 10
    while not true():
        assert time.monotonic() < end, "it did not come about in ten seconds"
        time.sleep(0.01)


class Answering:
    """An endpoint that answers as it is told, and remembers what it was sent."""

    def __init__(self, *verdicts: Verdict) -> None:
        self.verdicts = list(verdicts)
        self.bodies: list[bytes] = []

    def send(self, stream: Stream, body: bytes) -> Answer:
        self.bodies.append(body)
        verdict = self.verdicts.pop(0) if self.verdicts else Verdict.TAKEN
        return Answer(verdict, "as told")

    def close(self) -> None:
        pass


@pytest.fixture(params=["http", "grpc"])
def door(request: pytest.FixtureRequest) -> Iterator[tuple[Callable[..., Any], Kept, list[bool]]]:
    kept, down = Kept(), [False]

    def changes(found: list[Change]) -> int:
        if down[0]:
            raise StoreUnreachable("the disk is full")
        return kept.sinks.changes(found)

    with both(kept, ingest_changes=changes) as ports:
        port = ports[0] if request.param == "http" else ports[1]

        def sender(token: str = AGENT) -> Any:
            headers = {"authorization": f"Bearer {token}"}
            return sender_of(f"http://127.0.0.1:{port}", request.param, headers, 5.0)

        yield sender, kept, down


def test_a_change_arrives_as_it_was_over_both_doors(door: Any) -> None:
    sender, kept, _ = door
    with closing(ChangeExport(sender(), ABOUT)) as export:
        export.offer([RESTART, XID])
        until(lambda: export.waiting() == 0)
    assert kept.changes == [RESTART, XID]
    assert [one.id for one in kept.changes] == ["u/1", ""]
    assert (export.sent, export.dropped) == (2, 0)


def test_a_server_that_cannot_keep_is_asked_until_it_can_and_counts_once(door: Any) -> None:
    sender, kept, down = door
    down[0] = True
    with closing(ChangeExport(sender(), ABOUT, pause_seconds=0.05)) as export:
        export.offer([RESTART])
        time.sleep(0.3)
        assert export.waiting() == 1
        down[0] = False
        until(lambda: export.waiting() == 0)
        export.offer([RESTART])
        until(lambda: export.waiting() == 0)
    feed = ChangeFeed()
    assert [feed.add(one) for one in kept.changes] == [True, False]


def test_a_sender_that_is_not_believed_loses_its_changes_and_counts_them(door: Any) -> None:
    sender, kept, _ = door
    with closing(ChangeExport(sender(APP), ABOUT)) as export:
        export.offer([RESTART])
        until(lambda: export.waiting() == 0)
        (sample,) = export.report(1.0)
    assert kept.changes == []
    assert (dict(sample.series.labels), sample.value) == ({"limit": "otlp_changes"}, 1.0)


def test_what_waits_survives_a_restart(tmp_path: Path) -> None:
    spool = tmp_path / "changes-to-send.json"
    away = Answering(*[Verdict.AGAIN] * 99)
    first = ChangeExport(away, ABOUT, spool, pause_seconds=9.0)
    first.offer([RESTART, XID])
    first.close()
    assert first.waiting() == 2
    assert spool.stat().st_mode & 0o777 == 0o600
    back = Answering()
    with closing(ChangeExport(back, ABOUT, spool)) as second:
        until(lambda: second.waiting() == 0)
    assert b"x-0 restarted: x ended" in back.bodies[0]
    with closing(ChangeExport(Answering(), ABOUT, spool)) as third:
        assert third.waiting() == 0


def test_the_oldest_go_when_there_is_no_room_and_are_counted() -> None:
    away = Answering(*[Verdict.AGAIN] * 999)
    export = ChangeExport(away, ABOUT, max_queued=10, pause_seconds=9.0)
    export.offer([replace(XID, id=str(number)) for number in range(25)])
    assert (export.waiting(), export.dropped) == (10, 15)
    export.close()


def test_what_is_refused_for_good_is_not_sent_again() -> None:
    endpoint = Answering(Verdict.REFUSED)
    with closing(ChangeExport(endpoint, ABOUT)) as export:
        export.offer([RESTART])
        until(lambda: export.waiting() == 0)
        export.offer([XID])
        until(lambda: export.sent == 1)
    assert (len(endpoint.bodies), export.dropped) == (2, 1)


@pytest.mark.parametrize("content", ["{", '{"version": 99, "changes": []}', "[]", '{"version": 1}'])
def test_a_broken_or_foreign_file_is_let_go(tmp_path: Path, content: str) -> None:
    spool = tmp_path / "changes-to-send.json"
    spool.write_text(content)
    with closing(ChangeExport(Answering(), ABOUT, spool)) as export:
        assert export.waiting() == 0
        export.offer([RESTART])
        until(lambda: export.sent == 1)
