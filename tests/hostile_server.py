"""A server of good and hostile pages on loopback: one path for each kind of trouble.

    python tests/hostile_server.py PAGE

Prints `{"port": …, "full": …}` and serves until its standard input ends. `/good/N/metrics` is PAGE
with values that move; `/KIND/metrics` is the kind of trouble of that name; `full` is a port whose
queue of connections is full, so that nobody gets through.
"""

import asyncio
import contextlib
import gzip
import itertools
import json
import socket
import struct
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path

Writer = asyncio.StreamWriter
OK = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n"
NAME = b"vllm:num_requests_running"
counter = itertools.count()


def whole(
    body: bytes, *headers: bytes, status: bytes = b"200 OK"
) -> Callable[[Writer], Awaitable[None]]:
    async def send(out: Writer) -> None:
        head = b"".join(b"%s\r\n" % line for line in (*headers, b"Content-Length: %d" % len(body)))
        out.write(b"HTTP/1.1 " + status + b"\r\n" + head + b"\r\n" + body)
        await out.drain()

    return send


def pouring(head: bytes, again: bytes) -> Callable[[Writer], Awaitable[None]]:
    async def send(out: Writer) -> None:
        out.write(head)
        block = again * max(1, 65536 // len(again))
        while True:
            out.write(block)
            await out.drain()

    return send


def dripping(head: bytes, drop: bytes) -> Callable[[Writer], Awaitable[None]]:
    async def send(out: Writer) -> None:
        out.write(head)
        while True:
            out.write(drop)
            await out.drain()
            await asyncio.sleep(0.1)

    return send


def raw(data: bytes) -> Callable[[Writer], Awaitable[None]]:
    async def send(out: Writer) -> None:
        out.write(data)
        await out.drain()

    return send


async def silent(out: Writer) -> None:
    await asyncio.sleep(60)
    del out


async def reset(out: Writer) -> None:
    out.get_extra_info("socket").setsockopt(
        socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0)
    )
    out.transport.abort()


async def churn(out: Writer) -> None:
    """Series that were never there before, as a label that holds a request's id makes them."""
    start = next(counter) * 8000
    lines = (b'%s{model_name="m",id="%d"} 1\n' % (NAME, start + n) for n in range(8000))
    await whole(b"".join(lines))(out)


CHUNKED = OK + b"Transfer-Encoding: chunked\r\n\r\n"
LABELS = b",".join(b'l%d="1"' % n for n in range(1_000_000))

KINDS: dict[str, tuple[Callable[[Writer], Awaitable[None]], set[str]]] = {
    "never_answers": (silent, {"hung"}),
    "slow_header": (dripping(b"HTTP/1.1 200 OK\r\n", b"X"), {"hung"}),
    "slow_body": (dripping(OK + b"\r\n", b"a 1\n"), {"hung"}),
    "chunk_that_never_ends": (dripping(CHUNKED + b"fffff\r\n", b"a"), {"hung"}),
    "silence_within_the_body": (
        dripping(OK + b"Content-Length: 99999\r\n\r\na 1\n", b""), {"hung"},
    ),
    "endless_body": (pouring(OK + b"\r\n", b"a 1\n"), {"oversized"}),
    "endless_chunks": (pouring(CHUNKED, b"4\r\na 1\n\r\n"), {"oversized"}),
    "endless_headers": (pouring(OK, b"A: b\r\n"), {"unreadable", "oversized"}),
    "endless_interim": (pouring(b"", b"HTTP/1.1 100 Continue\r\n\r\n"), {"oversized"}),
    "endless_trailer": (pouring(CHUNKED + b"0\r\n", b"A: b\r\n"), {"oversized"}),
    "gzip_bomb": (
        whole(gzip.compress(b"# bomb\n" * 15_000_000, 9), b"Content-Encoding: gzip"),
        {"oversized"},
    ),
    "hundred_megabytes": (
        pouring(OK + b"Content-Length: 100000000\r\n\r\n", b"a 1\n"), {"oversized"},
    ),
    "million_labels": (whole(NAME + b"{" + LABELS + b"} 1\n"), {"oversized"}),
    "long_label": (whole(NAME + b'{a="' + b"x" * (8 << 20) + b'"} 1\n'), {"oversized"}),
    "million_samples": (
        whole(b"".join(b"a%d 1\n" % n for n in range(1_000_000))), {"oversized"},
    ),
    "new_series_each_time": (churn, {"ok", "oversized"}),
    "reset": (reset, {"down"}),
    "closes": (raw(b""), {"down"}),
    "redirect_loop": (
        whole(b"", b"Location: /redirect_loop/metrics", status=b"302 F"), {"redirected"},
    ),
    "redirect_elsewhere": (whole(b"", b"Location: http://[::1]/", status=b"307 T"), {"redirected"}),
    "unauthorised": (whole(b"", status=b"401 U"), {"unauthorised"}),
    "http_0_9": (raw(b"a 1\nb 2\n"), {"unreadable"}),
    "not_http": (raw(b"SSH-2.0-OpenSSH_9.2\r\n"), {"unreadable"}),
    "invalid_utf8": (whole(NAME + b'{a="\xff\xfe"} 1\n'), {"unreadable"}),
    "nan_storm": (
        whole(b"".join(b'%s{engine="%d"} NaN\n' % (NAME, n) for n in range(1000))), {"ok"},
    ),
    "half_a_page": (whole(NAME + b" 1\nvllm:num_requ"), {"unreadable"}),
    "login_page": (whole(b"<html><body>Sign in</body></html>\n"), {"unreadable"}),
    "json": (whole(b'{"status": "ok"}\n'), {"unreadable"}),
    "twice_the_same": (whole(NAME + b" 1\n" + NAME + b" 2\n"), {"unreadable"}),
    "nothing": (whole(b""), {"unreadable"}),
    "escape_sequences": (whole(NAME + b'{a="\x1b[2J\x00"} 1\n'), {"unreadable"}),
}  # fmt: skip
"""Each kind of trouble, and the verdicts that name it."""
FULL = {"down"}
"""Verdict of the port whose queue is full."""


def moved(page: bytes, by: int) -> bytes:
    """*page* at another moment: six lines in ten have moved, as between two pages of a real vLLM
    under load (tests/collectors/pages, kv-pressure and kv-pressure-after)."""
    lines = page.splitlines()
    for position, line in enumerate(lines):
        if not line.startswith(b"#") and b"_created" not in line and position % 5 < 3:
            series, _, value = line.rpartition(b" ")
            lines[position] = b"%s %r" % (series, float(value) + by)
    return b"\n".join(lines) + b"\n"


def full_port() -> tuple[int, list[socket.socket]]:
    """A port that takes no connection any more, and what keeps it so."""
    listener = socket.create_server(("127.0.0.1", 0), backlog=0)
    port = listener.getsockname()[1]
    kept = [listener]
    for _ in range(3):
        one = socket.socket()
        one.setblocking(False)
        with contextlib.suppress(BlockingIOError):
            one.connect(("127.0.0.1", port))
        kept.append(one)
    return port, kept


async def serve(page: bytes) -> None:
    pages = [whole(moved(page, by), b"Content-Type: text/plain") for by in range(8)]

    async def converse(reader: asyncio.StreamReader, out: Writer) -> None:
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
            request = await reader.readuntil(b"\r\n\r\n")
            kind = request.split(b" ")[1].split(b"/")[1].decode()
            send = pages[next(counter) % 8] if kind == "good" else KINDS[kind][0]
            await send(out)
        out.close()

    server = await asyncio.start_server(converse, "127.0.0.1", 0, backlog=1024)
    full, kept = full_port()
    print(json.dumps({"port": server.sockets[0].getsockname()[1], "full": full}), flush=True)
    async with server:
        await asyncio.to_thread(sys.stdin.read)
    for one in kept:
        one.close()


if __name__ == "__main__":
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(serve(Path(sys.argv[1]).read_bytes()))
