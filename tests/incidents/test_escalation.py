"""An action that did not help is told once to everybody, and pages nobody a second time."""

from collections import Counter
from dataclasses import dataclass, field

from incident_scenes import Story, stalled

from incidents.alertmanager import AlertmanagerSettings, accepted, alert
from incidents.courier import Courier
from incidents.escalation import escalation
from incidents.peer import Outcome
from incidents.receivers._message import Event, Message
from incidents.receivers._receiver import Answer, Receiver
from store.outbox import Notice
from vocabulary.failure_modes import Severity


@dataclass(frozen=True, slots=True, kw_only=True)
class Remembering(Receiver):
    """Takes everything and remembers it."""

    told: list[Message] = field(default_factory=list)

    def send(self, message: Message) -> Answer:
        self.told.append(message)
        return Answer(Outcome.ACCEPTED)

    def probe(self) -> str:
        return "here"


def escalated(story: Story, receiver: str) -> Notice:
    """A paged incident whose action did not help."""
    replicas = story.world.add_pool()
    story.hold(180, lambda now: stalled(replicas[0], now))
    kept = story.records.kept(story.only().id)
    (told,) = escalation(
        kept, "0a1b", "R02 did not help: Restart \x1b[2Jchat-0", "still 0", [receiver],
        story.clock.moment,
    )  # fmt: skip
    story.records.save(notices=[told])
    return told


def test_people_are_told_once_and_the_page_is_not_told_again(make_story: type[Story]) -> None:
    story = make_story(receivers=["chat"])
    receiver = Remembering()
    courier = Courier({"chat": receiver}, story.records, story.clock, live=True)
    escalated(story, "chat")
    for _ in range(5):
        while courier.deliver("chat"):
            pass
        story.clock.moment += 120.0
    assert Counter((one.severity, one.event) for one in receiver.told) == {
        (Severity.CRITICAL, Event.FIRING): 1, (Severity.WARNING, Event.FIRING): 1,
    }  # fmt: skip
    (ticket,) = [one for one in receiver.told if one.severity is Severity.WARNING]
    assert ticket.title == "R02 did not help: Restart [2Jchat-0"
    assert ticket.text == "still 0"
    assert ticket.remarks == (), "it is no incident that is over"
    assert ticket.subject.startswith(f"{story.only().id}/0a1b/warning@")
    lines = [one.text for one in story.only().activity if one.what == "notified"]
    assert [line.partition(",")[0] for line in lines] == ["critical to chat", "warning to chat"]


def test_alertmanager_holds_it_until_it_was_notified_and_then_lets_go(
    make_story: type[Story],
) -> None:
    settings = AlertmanagerSettings()
    story = make_story(receivers=["http://am"])
    notice, now = escalated(story, "http://am"), story.clock.moment
    told = alert(notice, now, settings)
    assert told["labels"]["alertname"] == "ActionDidNotHelp"
    assert told["labels"]["severity"] == "warning"
    assert told["labels"]["incident_id"] == story.only().id
    assert told["labels"]["plan"] == "0a1b"
    assert told["endsAt"] > told["startsAt"]
    taken = accepted(notice, now, settings)
    closing = alert(taken, now + settings.hold_seconds, settings)
    assert closing["endsAt"] <= alert(taken, now + 1, settings)["endsAt"]
    over = accepted(taken, now + settings.hold_seconds, settings)
    assert accepted(over, now + 9000.0, settings).settled_at is not None
