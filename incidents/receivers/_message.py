"""What a receiver is told: one event of one incident, in plain lines that no medium can run."""

from dataclasses import dataclass
from enum import StrEnum

from incidents.headline import plain
from store.outbox import Notice
from vocabulary.failure_modes import FailureMode, Severity
from vocabulary.incidents import Incident, IncidentState

TITLE, TEXT = 160, 1500
"""Characters of a title and of a text: a phone shows less, every medium takes more."""


class Event(StrEnum):
    """What is said."""

    FIRING = "firing"
    RESOLVED = "resolved"
    TEST = "test"


@dataclass(frozen=True, slots=True)
class Message:
    """One thing to say. Every text is a line of printable ASCII, bounded."""

    event: Event
    subject: str
    """The same for the firing and the resolved message of one episode: receivers pair by it."""
    at: float
    """Now, Unix seconds."""
    severity: Severity
    title: str
    text: str
    state: str
    since: float
    late_seconds: float | None = None
    """How long after the fact a firing message goes out, where that is late."""
    over_at: float | None = None
    """When it ended; in a firing message, that it was over before it could be told."""
    incident: Incident | None = None
    """The whole of it, where a medium has room; None for a test."""
    links: tuple[tuple[str, str], ...] = ()

    @property
    def key(self) -> str:
        """Idempotency key: the same however often this message is sent."""
        return f"{self.subject}/{self.event.value}"

    @property
    def heading(self) -> str:
        """Severity, lateness and title in one line."""
        if self.event is Event.TEST:
            return f"TEST: {self.title}"
        mark = "RESOLVED" if self.event is Event.RESOLVED else self.severity.value.upper()
        late = "LATE " if self.late_seconds is not None else ""
        return f"{late}[{mark}] {self.title}"

    @property
    def remarks(self) -> tuple[str, ...]:
        """What has to be said about the message itself."""
        late = self.late_seconds
        told = f"Told {late:.0f} s late: it could not be told before." if late is not None else ""
        over = self.event is Event.FIRING and self.over_at is not None
        merged = self.incident.merged_into if self.incident is not None else ""
        said = (
            told,
            "It was over before it could be told." if over else "",
            f"It is part of {merged} now." if merged else "",
        )
        return tuple(filter(None, said))


def message_of(
    notice: Notice, incident: Incident, event: Event, now: float, late_after: float
) -> Message:
    """What to say of *incident* for the row *notice*; late when *late_after* seconds have gone."""
    late = now - notice.opened_at
    is_late = event is Event.FIRING and late > late_after
    severity = notice.key.rpartition("/")[2]
    title, text = incident.title, incident.headline
    aside = notice.key.count("/") > 1  # about the incident, and not the incident itself
    if aside:
        about = notice.body["annotations"]
        title, text = about.get("summary", ""), about.get("description", "")
    return Message(
        event=event,
        subject=f"{notice.key}@{notice.opened_at:.0f}",
        at=now,
        severity=Severity(severity),
        title=plain(title, TITLE),
        text=plain(text, TEXT),
        state=incident.state.value,
        since=incident.since,
        late_seconds=late if is_late else None,
        over_at=None if aside else notice.resolved_at,
        incident=incident,
        links=tuple((plain(title, 40), url) for title, url in incident.links if _web(url)),
    )


def sample_message(mode: FailureMode, now: float) -> Message:
    """A message that says that it is a test, for `receivers test`."""
    return Message(
        Event.TEST,
        f"test/{now:.0f}",
        now,
        Severity.INFO,
        "Tidegauge can reach you",
        f"This is a test and no incident. A real message would be headed like: {mode.title}.",
        IncidentState.RESOLVED.value,
        now,
    )


def _web(url: str) -> bool:
    """Whether *url* is an address of the web without anything that could leave its place."""
    return url.startswith(("http://", "https://")) and not any(
        letter in url or not letter.isprintable() for letter in "<>|\"'` "
    )
