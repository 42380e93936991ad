"""The console in a real Chromium over the real demo: list, incident, acts, fleet, cost, two themes.

No request may leave this machine, no traceback may be shown, and nothing may run out of a phone.
"""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx2
import pytest
from playwright.sync_api import Browser, Page, expect, sync_playwright
from rigs import cache, chromium

from service.network import free_port

pytestmark = [pytest.mark.browser, pytest.mark.timeout(400)]
ROOT = Path(__file__).resolve().parents[2]
WAIT_MS = 30_000


@dataclass
class Demo:
    """A running demo that has found its first incident."""

    api: str
    console: str
    token: str
    incident: dict[str, Any] = field(default_factory=dict)

    def get(self, path: str) -> Any:
        headers = {"Authorization": f"Bearer {self.token}"}
        return httpx2.get(self.api + path, headers=headers, timeout=10, trust_env=False).json()


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Demo]:
    data = tmp_path_factory.mktemp("demo")
    port, console_port = free_port(), free_port()
    environment = {
        **{k: v for k, v in os.environ.items() if not k.startswith("TIDEGAUGE_")},
        "TIDEGAUGE_OTLP_GRPC_PORT": "0", "TIDEGAUGE_AGENT_PORT": "0",
    }  # fmt: skip
    command = [
        str(Path(sys.executable).with_name("tidegauge")), "up", "--demo", "--data-dir", str(data),
        "--port", str(port), "--console-port", str(console_port),
    ]  # fmt: skip
    process = subprocess.Popen(
        command, cwd=ROOT, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        yield _ready(process, data, port, console_port)
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(timeout=10)


def _ready(process: subprocess.Popen[bytes], data: Path, port: int, console_port: int) -> Demo:
    deadline = time.monotonic() + 150
    while time.monotonic() < deadline:
        assert process.poll() is None
        time.sleep(0.5)
        try:
            token = (data / "token").read_text().strip()
            made = Demo(f"http://127.0.0.1:{port}", f"http://127.0.0.1:{console_port}", token)
            found = made.get("/api/v1/incidents")["incidents"]
            httpx2.get(f"{made.console}/_stcore/health", timeout=5, trust_env=False)
        except (httpx2.HTTPError, OSError):
            continue
        if found:
            made.incident = found[-1]
            return made
    pytest.fail("the demo found no incident within 150 s")


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    try:
        executable = chromium.executable()
    except cache.RigUnavailable as error:
        pytest.skip(error.reason)
    with sync_playwright() as player:
        started = player.chromium.launch(
            executable_path=str(executable), args=chromium.launch_args()
        )
        yield started
        started.close()


@dataclass
class Visit:
    """One browser window and what it asked of whom."""

    page: Page
    console: str
    outside: list[str] = field(default_factory=list)

    def open(self, path: str, heading: str) -> None:
        self.page.goto(self.console + path)
        self.settled(heading)

    def settled(self, heading: str) -> None:
        expect(self.page.get_by_role("heading", name=heading, exact=True).first).to_be_visible(
            timeout=WAIT_MS
        )
        expect(self.page.get_by_text("data as of")).to_be_visible(timeout=WAIT_MS)
        expect(self.page.locator("[data-stale=true]")).to_have_count(0, timeout=WAIT_MS)
        self.page.wait_for_timeout(1500)  # charts draw after the last script run

    def check(self) -> None:
        assert not self.outside
        text = self.page.inner_text("body")
        for bad in ("Traceback", "Error:", "Exception", "does not seem to exist"):
            assert bad not in text
        wide = self.page.evaluate(
            "[document.documentElement.scrollWidth,"
            " document.querySelector('[data-testid=stMain]').scrollWidth, innerWidth]"
        )
        assert max(wide[:2]) <= wide[2]


def visit(browser: Browser, demo: Demo, width: int, scheme: str = "light") -> Visit:
    context = browser.new_context(
        viewport={"width": width, "height": 900},
        color_scheme="dark" if scheme == "dark" else "light",
    )
    made = Visit(context.new_page(), demo.console)

    def note(url: str) -> None:
        parts = urlsplit(url)
        if parts.scheme in {"http", "https", "ws", "wss"} and parts.hostname != "127.0.0.1":
            made.outside.append(url)

    made.page.on("request", lambda request: note(request.url))
    made.page.on("websocket", lambda socket: note(socket.url))
    return made


def heading_of(incident: dict[str, Any]) -> str:
    title: str = incident["title"]
    return title.removesuffix(f": {incident['entity']['name']}")


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1440, 390])
def test_every_page_fits_and_stays_here(
    browser: Browser, demo: Demo, tmp_path: Path, width: int, scheme: str
) -> None:
    window = visit(browser, demo, width, scheme)
    pages = {
        "/": "Incidents",
        "/incidents": "Incidents",
        f"/incident?id={demo.incident['id']}": heading_of(demo.incident),
        "/fleet": "Fleet",
        "/cost": "Cost",
    }
    for number, (path, heading) in enumerate(pages.items()):
        window.open(path, heading)
        window.check()
        shot = tmp_path / f"{number}-{scheme}-{width}.png"
        window.page.screenshot(path=str(shot))
        assert shot.stat().st_size > 10_000
    ground = window.page.evaluate(
        "getComputedStyle(document.querySelector('[data-testid=stApp]')).backgroundColor"
    )
    assert ground == {"light": "rgb(255, 255, 255)", "dark": "rgb(14, 22, 30)"}[scheme]
    window.page.context.close()


def test_an_incident_is_opened_from_the_list_by_a_click(browser: Browser, demo: Demo) -> None:
    window = visit(browser, demo, 1440)
    window.open("/", "Incidents")
    table = window.page.get_by_test_id("stDataFrame").first
    box = table.bounding_box()
    assert box is not None
    window.page.mouse.click(box["x"] + 250, box["y"] + 52)  # the first row, drawn on a canvas
    window.page.wait_for_url("**/incident?id=inc-*", timeout=WAIT_MS)
    expect(window.page.get_by_role("heading", name="Why we think so")).to_be_visible(
        timeout=WAIT_MS
    )
    window.check()
    window.page.context.close()


def still_open(demo: Demo) -> dict[str, Any]:
    """An incident that nobody has acknowledged; the storyline brings the next one soon."""
    deadline = time.monotonic() + 180
    while time.monotonic() < deadline:
        found = demo.get("/api/v1/incidents?state=open")["incidents"]
        if found:
            return dict(found[0])
        time.sleep(1)
    raise AssertionError("no incident was open for three minutes")


def test_an_incident_is_acknowledged_once_with_the_keyboard(browser: Browser, demo: Demo) -> None:
    incident = still_open(demo)
    window = visit(browser, demo, 1440)
    window.open(f"/incident?id={incident['id']}", heading_of(incident))
    window.page.keyboard.press("a")
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        after = demo.get(f"/api/v1/incidents/{incident['id']}")
        if any(line["what"] == "acknowledged" for line in after["activity"]):
            break
        window.page.wait_for_timeout(300)
    window.page.reload()
    window.settled(heading_of(incident))
    after = demo.get(f"/api/v1/incidents/{incident['id']}")
    acts = [line for line in after["activity"] if line["what"] == "acknowledged"]
    assert len(acts) == 1
    assert "console" in acts[0]["who"]
    window.check()
    window.page.context.close()
