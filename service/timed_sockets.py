"""Sockets that end with their deadline: not each read has some seconds, but the whole exchange.

They count what comes, too: answers that never become a body (endless headers, interim answers,
trailers) meet the same limit as a page does.
"""

import ipaddress
import socket
import ssl
import threading
from collections.abc import Callable
from typing import Any

from vocabulary.errors import SourceOversized, SourceUnreadable

Resolved = tuple[socket.AddressFamily, tuple[Any, ...]]


WRAPPING = 256 * 1024
"""Bytes that may come besides a page: headers, interim answers, how it is cut into chunks, and what
was read ahead. Forty headers of 4 KiB fit; our judgement."""


class Deadline:
    """The moment by which everything has to be over, and how much may have come until then."""

    def __init__(self, end: float, monotonic: Callable[[], float]) -> None:
        self._end = end
        self._monotonic = monotonic
        self._left = WRAPPING
        self.connected = False

    def left(self) -> float:
        """Seconds left; TimeoutError when there are none."""
        seconds = self._end - self._monotonic()
        if seconds <= 0:
            raise TimeoutError
        return seconds

    def received(self, size: int) -> int:
        """Count *size* bytes that came.

        Raises:
            SourceOversized: Too many of them were no part of a page.
        """
        self._left -= size
        if self._left < 0:
            raise SourceOversized(f"sends {WRAPPING} bytes around its page", limit="bytes")
        return size

    def of_the_page(self, size: int) -> None:
        """Of what came *size* bytes were the page itself, which has a limit of its own."""
        self._left += size


class TimedSocket(socket.socket):
    """A socket whose every read and write ends at the deadline of the whole exchange."""

    deadline: Deadline

    def recv_into(self, *args: Any, **kwargs: Any) -> int:
        self.settimeout(self.deadline.left())
        return self.deadline.received(super().recv_into(*args, **kwargs))

    def sendall(self, *args: Any, **kwargs: Any) -> None:
        self.settimeout(self.deadline.left())
        super().sendall(*args, **kwargs)


class TimedTls(ssl.SSLSocket):
    """The same, encrypted."""

    deadline: Deadline

    def recv_into(self, *args: Any, **kwargs: Any) -> int:
        self.settimeout(self.deadline.left())
        return self.deadline.received(super().recv_into(*args, **kwargs))

    def sendall(self, *args: Any, **kwargs: Any) -> None:
        self.settimeout(self.deadline.left())
        super().sendall(*args, **kwargs)


def resolved(host: str, port: int, deadline: Deadline) -> list[Resolved]:
    """Addresses of *host*; a resolver that hangs is left behind in its thread.

    Raises:
        SourceUnreadable: One is link-local, where clouds keep their metadata services.
        OSError: It cannot be resolved, or not in time.
    """
    answer: list[Resolved] = []
    failure: list[OSError] = []

    def look_up() -> None:
        try:
            for family, _, _, _, address in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM):
                answer.append((family, address))
        except OSError as error:
            failure.append(error)

    try:
        ipaddress.ip_address(host)
        look_up()  # a literal needs no resolver
    except ValueError:
        thread = threading.Thread(target=look_up, name=f"resolve {host}", daemon=True)
        thread.start()
        thread.join(deadline.left())
    if failure:
        raise failure[0]
    if not answer:
        raise TimeoutError
    if any(_link_local(address[0]) for _, address in answer):
        raise SourceUnreadable(f"{host} is a link-local address: metadata services are never read")
    return answer


def _link_local(address: str) -> bool:
    found = ipaddress.ip_address(address.partition("%")[0])
    mapped = found.ipv4_mapped if isinstance(found, ipaddress.IPv6Address) else None
    return (mapped or found).is_link_local


def connected(addresses: list[Resolved], deadline: Deadline) -> TimedSocket:
    """A connection to the first address that takes one."""
    for number, (family, address) in enumerate(addresses, start=1):
        sock = TimedSocket(family, socket.SOCK_STREAM)
        sock.deadline = deadline
        try:
            sock.settimeout(deadline.left())
            sock.connect(address)
        except OSError:
            sock.close()
            if number == len(addresses):
                raise
        else:
            return sock
    raise TimeoutError
