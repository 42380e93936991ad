"""Tables whose cells say a severity or a state by shape, word and colour."""

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd
from pandas.io.formats.style import Styler

from dashboard.theme import CELL_COLOURS
from dashboard.words import SEVERITY_MARKS, STATE_MARKS


def marked(word: str) -> str:
    """A severity or state with its shape: `▲ critical`."""
    return f"{SEVERITY_MARKS.get(word) or STATE_MARKS[word]} {word}"


def table(rows: Sequence[Mapping[str, Any]], coloured: str = "") -> pd.DataFrame | Styler:
    """*rows* as Streamlit shows them; the column *coloured* holds `marked` words."""
    frame = pd.DataFrame(list(rows))
    return frame.style.map(_look, subset=[coloured]) if coloured and len(frame) else frame


def _look(cell: object) -> str:
    ground, text = CELL_COLOURS.get(str(cell).partition(" ")[2], ("", ""))
    return f"background-color: {ground}; color: {text}" if ground else ""
