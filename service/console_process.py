"""The console as a process of its own that never outlives the one that started it.

`python -m service.console_process HOST PORT API_URL`; the token comes through the environment,
never through the command line, where every user of the machine could read it.
"""

import ctypes
import os
import signal
import subprocess
import sys
from pathlib import Path

from dashboard import theme
from service.doors import is_loopback
from service.settings import Settings
from vocabulary.errors import ConfigError

API_VARIABLE = "TIDEGAUGE_API_URL"
TOKEN_VARIABLE = "TIDEGAUGE_TOKEN"  # noqa: S105 - the name of a variable, not a secret
APP = Path(__file__).resolve().parent.parent / "dashboard" / "app.py"
_PR_SET_PDEATHSIG = 1

OPTIONS: dict[str, theme.Option] = {
    **theme.OPTIONS,
    "global.developmentMode": False,
    "server.headless": True,
    "server.fileWatcherType": "none",
    "server.maxUploadSize": 1,
    "server.enableXsrfProtection": True,
    "browser.gatherUsageStats": False,
    "client.showErrorDetails": "none",
    "client.toolbarMode": "viewer",
}
"""Streamlit's defaults show tracebacks, phone home and listen everywhere; ours do not."""


def demand_trust(settings: Settings) -> None:
    """Refuse to be reached from elsewhere unasked: the console acts for anyone who opens it.

    Raises:
        ConfigError: With the mend.
    """
    if not is_loopback(settings.host) and not settings.allow_insecure:
        raise ConfigError(
            f"refusing to serve the console on {settings.host}: it asks nobody who they are; put a "
            "proxy that does in front and set allow_insecure, or listen on 127.0.0.1"
        )


def start(settings: Settings, api_url: str, token: str) -> subprocess.Popen[bytes]:
    """Start the console beside us; its output goes to stderr at warnings and above."""
    command = [
        sys.executable, "-m", "service.console_process", settings.host, str(settings.console_port),
    ]  # fmt: skip
    environment = {**os.environ, API_VARIABLE: api_url, TOKEN_VARIABLE: token}
    return subprocess.Popen(  # noqa: S603 - our own module, our own arguments
        command, env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
        start_new_session=True,
    )  # fmt: skip


def serve(host: str, port: int) -> None:
    """Run Streamlit in this process until it is told to stop."""
    from streamlit.web import bootstrap

    options = {**OPTIONS, "server.address": host, "server.port": port, "logger.level": "warning"}
    bootstrap.load_config_options({key.replace(".", "_"): value for key, value in options.items()})
    bootstrap.run(str(APP), False, [], {})


def die_with_parent() -> None:
    """Ask Linux to end this process when its parent ends, however that happens."""
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)


if __name__ == "__main__":
    die_with_parent()
    serve(sys.argv[1], int(sys.argv[2]))
