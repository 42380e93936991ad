"""Ports: taken ones are named before anything starts."""

import socket

from service.doctor import port_is_free
from vocabulary.errors import ConfigError


def demand_free(host: str, port: int, who: str, flag: str) -> None:
    """Raise ConfigError in one clear line when *port* is taken."""
    if not port_is_free(host, port):
        raise ConfigError(
            f"port {port} for the {who} is taken on {host}; choose another with {flag}"
        )


def free_port(host: str = "127.0.0.1") -> int:
    """A port the system says is free now."""
    with socket.socket() as probe:
        probe.bind((host, 0))
        return int(probe.getsockname()[1])
