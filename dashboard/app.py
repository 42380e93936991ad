"""The console: finds its pages by folder, shows how fresh the data is, and opens the page."""

import importlib
import pkgutil
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import streamlit as st

if str(Path(__file__).resolve().parent.parent) not in sys.path:
    # Streamlit puts only this folder on the path; the vocabulary lies beside it.
    sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from dashboard import views
from dashboard.api import Api, ApiError, from_environment
from dashboard.live import live
from dashboard.words import clock, plain

REFRESH = "5s"


def find_views() -> list[ModuleType]:
    """Every page, in its own order; the first is the one at `/`."""
    modules = [
        importlib.import_module(f"dashboard.views.{info.name}")
        for info in pkgutil.iter_modules(views.__path__)
    ]
    return sorted(modules, key=lambda module: (module.order, module.__name__))


def show_status(api: Api) -> None:
    """One line at the top of every page: what the data is, how old, and how much of it there is."""
    status = api.get("/api/v1/status")
    parts = [f"data as of **{clock(status.get('as_of'))}**"]
    answering, known = status.get("sources_answering"), status.get("sources")
    if known:
        parts.append(
            f"{known} of {known} sources answer"
            if answering == known
            else f":orange-badge[◍ only {answering} of {known} sources answer]"
        )
    if status.get("simulated"):
        speed = status.get("speed") or 1
        parts.append(f":violet-badge[simulated cluster, {speed:g}× real time]")
    st.caption(" · ".join(parts))
    if status.get("stale"):
        st.warning(
            "Nothing new has arrived for a while: what you see is the past.",
            icon=":material/hourglass_empty:",
        )
    for problem in status.get("problems", []):
        st.warning(plain(problem), icon=":material/warning:")


def body_of(module: ModuleType, api: Api) -> Callable[[], None]:
    """A view below the status line; an API that fails is a sentence and never a traceback."""

    def body() -> None:
        live(show_status, REFRESH)(api)
        try:
            module.render(api)
        except ApiError as error:
            st.error(str(error), icon=":material/power_off:")
            st.button("Try again", key="retry")

    return body


def main() -> None:
    """Compose the console."""
    st.set_page_config(page_title="Tidegauge", page_icon="🌊", layout="wide")
    api = from_environment()
    modules = find_views()
    pages = {
        module.path: st.Page(
            body_of(module, api), title=module.title, icon=module.icon,
            url_path="" if module is modules[0] else module.path, default=module is modules[0],
            visibility="visible" if module.in_menu else "hidden",
        )
        for module in modules
    }  # fmt: skip
    st.session_state["pages"] = pages
    # Streamlit serves the default page at `/` alone; whoever types its name arrives too.
    first = modules[0]
    named = st.Page(
        body_of(first, api), title=first.title, url_path=first.path, visibility="hidden"
    )
    st.navigation([*pages.values(), named], position="top").run()


main()
