"""Ports: taken ones are named before anything starts."""

import socket

from vocabulary.errors import ConfigError


def port_is_free(host: str, port: int) -> bool:
    """Whether a server could bind there now."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError:
            return False
    return True


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
