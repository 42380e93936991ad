"""Parts of a page that refresh by themselves and say it when the API does not answer."""

from collections.abc import Callable
from functools import wraps
from typing import Any

import streamlit as st

from dashboard.api import ApiError


def live(part: Callable[..., None], every: str) -> Callable[..., Any]:
    """*part* as a fragment that runs again *every* so often, for example `5s`."""

    @wraps(part)
    def guarded(*arguments: Any) -> None:
        try:
            part(*arguments)
        except ApiError as error:
            st.error(str(error), icon=":material/power_off:")

    return st.fragment(guarded, run_every=every)
