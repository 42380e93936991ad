"""Fixtures of this room's tests."""

import socket
import ssl
from collections.abc import Callable, Iterator

import pytest
from loopback_target import Behaviour, Target


@pytest.fixture
def serve() -> Iterator[Callable[..., Target]]:
    targets: list[Target] = []

    def start(
        behave: Behaviour = lambda _client, _: None,
        context: ssl.SSLContext | None = None,
        **more: Callable[[socket.socket], None],
    ) -> Target:
        targets.append(Target(behave, context, **more))
        return targets[-1]

    yield start
    for target in targets:
        target.close()
