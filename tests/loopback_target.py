"""A server on loopback that answers as a test tells it, byte by byte, with or without TLS."""

import contextlib
import socket
import ssl
import threading
from collections.abc import Callable

PAGE = b"# TYPE up gauge\nup 1\n"
Behaviour = Callable[[socket.socket, bytes], None]


class Target:
    """A server that reads one request and then does what it was told."""

    def __init__(
        self,
        behave: Behaviour,
        context: ssl.SSLContext | None = None,
        greet_first: Callable[[socket.socket], None] = lambda _: None,
    ) -> None:
        self.requests: list[bytes] = []
        self._behave = behave
        self._context = context
        self._greet = greet_first
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        scheme = "https" if context else "http"
        self.url = f"{scheme}://127.0.0.1:{self.port}/metrics"
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def _serve(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            with contextlib.suppress(OSError):
                if self._context:
                    client = self._context.wrap_socket(
                        client, server_side=True, do_handshake_on_connect=False
                    )
                with client:
                    client.settimeout(5)
                    if isinstance(client, ssl.SSLSocket):
                        client.do_handshake()
                    self._converse(client)

    def _converse(self, client: socket.socket) -> None:
        self._greet(client)
        request = b""
        while b"\r\n\r\n" not in request:
            piece = client.recv(65536)
            if not piece:
                return
            request += piece
        self.requests.append(request)
        self._behave(client, request)

    def close(self) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)  # wakes accept
        self._listener.close()
        self._thread.join(5)


def answer(body: bytes, *headers: str, status: str = "200 OK") -> Behaviour:
    lines = "".join(f"{line}\r\n" for line in (*headers, f"Content-Length: {len(body)}"))
    return lambda client, _: client.sendall(f"HTTP/1.1 {status}\r\n{lines}\r\n".encode() + body)
