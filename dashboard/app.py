"""The console: finds its pages by folder, shows how fresh the data is, and opens the page."""

import importlib
import pkgutil
import sys
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
    """Every page, in its own order."""
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
        parts.append(f"{answering} of {known} sources answer")
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


def page(module: ModuleType, api: Api) -> st.Page:
    """A Streamlit page around a view."""

    def body() -> None:
        live(show_status, REFRESH)(api)
        try:
            module.render(api)
        except ApiError as error:
            st.error(str(error), icon=":material/power_off:")
            st.button("Try again", key="retry")

    return st.Page(
        body, title=module.title, icon=module.icon, url_path=module.path, default=module.order == 0
    )


def main() -> None:
    """Compose the console."""
    st.set_page_config(page_title="Tidegauge", page_icon="🌊", layout="wide")
    api = from_environment()
    st.session_state["pages"] = {module.path: page(module, api) for module in find_views()}
    st.navigation(list(st.session_state["pages"].values()), position="top").run()


main()
