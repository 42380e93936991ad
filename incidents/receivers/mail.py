"""E-mail over SMTP: encrypted unless told otherwise, with a Message-ID that a repeat repeats."""

import hashlib
import smtplib
import ssl
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from email.message import EmailMessage
from email.utils import format_datetime
from html import escape

from incidents.peer import Outcome
from incidents.receivers._message import Event, Message
from incidents.receivers._receiver import Answer, Receiver, listed, secret_in
from vocabulary.errors import ConfigError


@dataclass(frozen=True, slots=True, kw_only=True)
class Mail(Receiver):
    """One mail a message, to all of `to`; a resolved one answers the one that fired."""

    host: str
    """The mail server."""
    sender: str
    """Address the mail comes from."""
    to: tuple[str, ...]
    """Addresses the mail goes to."""
    port: int = 587
    """Its port; 587 is that of submission (RFC 6409)."""
    security: str = "starttls"
    """starttls, tls (from the first byte, port 465), or none."""
    user: str = ""
    """Whom to log in as; nobody when empty."""
    password_file: str = ""
    """File with that user's password."""
    ca_file: str = ""
    """Certificates (PEM) to trust instead of the system's."""

    def __post_init__(self) -> None:
        Receiver.__post_init__(self)
        addresses = listed(self.to)
        object.__setattr__(self, "to", addresses)
        for one in (self.sender, *addresses):
            if "@" not in one or not one.isprintable() or set(one) & set(" <>,"):
                raise ValueError(f"{one[:80]!r} is no address; write for example a@example.org")
        if not addresses:
            raise ValueError("to must name at least one address")
        if self.security not in {"starttls", "tls", "none"}:
            raise ValueError("security must be starttls, tls or none")
        if self.security == "none" and self.user:
            raise ValueError("security: none would send the password in the clear; use starttls")

    def send(self, message: Message) -> Answer:
        """Hand it to the server. What it refuses for good is refused, all else is tried again."""
        try:
            with self._session() as server:
                refused = server.send_message(self.letter(message), self.sender, list(self.to))
        except smtplib.SMTPRecipientsRefused as error:
            return _of_codes([code for code, _ in error.recipients.values()], "recipients")
        except smtplib.SMTPAuthenticationError as error:
            return Answer(Outcome.UNREACHABLE, f"login refused ({error.smtp_code})")
        except (smtplib.SMTPSenderRefused, smtplib.SMTPDataError) as error:
            return _of_codes([error.smtp_code], "mail")
        except (smtplib.SMTPException, OSError) as error:
            return Answer(Outcome.UNREACHABLE, type(error).__name__)
        said = f"{len(refused)} of {len(self.to)} recipients were refused" if refused else ""
        return Answer(Outcome.ACCEPTED, said)

    def probe(self) -> str:
        """Connect, encrypt and log in, and leave again."""
        try:
            with self._session() as server:
                server.noop()
        except (smtplib.SMTPException, OSError) as error:
            why = getattr(error, "strerror", None) or str(error) or type(error).__name__
            raise ConfigError(f"{self.host}:{self.port}: {why}") from error
        return f"{self.host}:{self.port} takes us; nothing was sent"

    def letter(self, message: Message) -> EmailMessage:
        """*message* as plain text and as HTML."""
        letter = EmailMessage()
        letter["Subject"] = message.heading
        letter["From"], letter["To"] = self.sender, ", ".join(self.to)
        letter["Date"] = format_datetime(datetime.fromtimestamp(message.at, UTC))
        letter["Message-ID"] = self._id(message.key)
        if message.event is Event.RESOLVED:
            opened = self._id(f"{message.subject}/{Event.FIRING.value}")
            letter["In-Reply-To"], letter["References"] = opened, opened
        letter["Auto-Submitted"] = "auto-generated"
        lines = (message.text, *message.remarks)
        links = [f"{title}: {url}" for title, url in message.links]
        letter.set_content("\n\n".join((*lines, *links)) + "\n")
        paragraphs = "".join(f"<p>{escape(one)}</p>" for one in (message.heading, *lines))
        anchors = "".join(
            f'<p><a href="{escape(url)}">{escape(title)}</a></p>' for title, url in message.links
        )
        letter.add_alternative(f"<html><body>{paragraphs}{anchors}</body></html>", subtype="html")
        return letter

    def _id(self, key: str) -> str:
        """The same for the same message: a server or a reader can tell a repeat."""
        digest = hashlib.sha256(key.encode()).hexdigest()[:32]
        return f"<{digest}@{self.sender.rpartition('@')[2]}>"

    @contextmanager
    def _session(self) -> Iterator[smtplib.SMTP]:
        """A session that is encrypted and logged in; leaving it can fail no delivery."""
        password = secret_in("password_file", self.password_file) if self.user else ""
        trust = ssl.create_default_context(cafile=self.ca_file or None)
        server: smtplib.SMTP
        if self.security == "tls":
            server = smtplib.SMTP_SSL(
                self.host, self.port, timeout=self.timeout_seconds, context=trust
            )
        else:
            server = smtplib.SMTP(self.host, self.port, timeout=self.timeout_seconds)
        try:
            if self.security == "starttls":
                server.starttls(context=trust)
            if self.user:
                server.login(self.user, password)
            yield server
            with suppress(smtplib.SMTPException, OSError):
                server.quit()
        finally:
            server.close()


def _of_codes(codes: list[int], what: str) -> Answer:
    """Codes of 500 and more are for good, those of 400 and more for now (RFC 5321, 4.2.1)."""
    final = bool(codes) and all(code >= 500 for code in codes)
    said = f"{what} refused ({', '.join(map(str, codes[:5]))})"
    return Answer(Outcome.REFUSED if final else Outcome.UNREACHABLE, said)
