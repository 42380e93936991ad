"""Colours, light and dark, in one place: the console's theme and what charts and tables mean.

Okabe and Ito's palette: told apart by every kind of colour vision. Whatever bears a colour bears a
shape or a word as well (dashboard/words.py).
"""

BLUE, SKY, GREEN, AMBER, VERMILION, PINK, YELLOW, GREY = (
    "#0072B2", "#56B4E9", "#009E73", "#E69F00", "#D55E00", "#CC79A7", "#F0E442", "#8A949E",
)  # fmt: skip

SERIES = (BLUE, AMBER, GREEN, PINK, SKY, VERMILION, YELLOW, GREY)
"""Lines of a chart, in the order in which they are given out."""

OBSERVED, SIBLING, EXPECTED, INCIDENT, CHANGE = BLUE, GREY, GREEN, VERMILION, PINK
"""What the parts of an evidence chart are drawn in."""

SEVERITY_BADGES = {"critical": "red", "warning": "orange", "info": "blue"}
"""Streamlit's named colours, which follow the theme."""
STATE_BADGES = {"open": "red", "acknowledged": "blue", "mitigated": "violet", "resolved": "green"}

_WHITE, _INK = "#FFFFFF", "#14202B"
CELL_COLOURS = {
    "critical": (VERMILION, _WHITE), "warning": ("#F5C451", _INK), "info": ("#BFE0F5", _INK),
    "loading": ("#BFE0F5", _INK), "idle": ("#D5DADF", _INK), "serving": ("#A9DFCC", _INK),
    "saturated": ("#F5C451", _INK), "stalled": (VERMILION, _WHITE), "blind": ("#E3B4CD", _INK),
}  # fmt: skip
"""Ground and text of a cell or box that says a severity or a replica's state; each pair has at
least the contrast 3:1 that WCAG 2.2 asks of large text and graphics, on either theme."""

Option = str | int | bool | list[str] | list[int]
"""What a Streamlit option may be."""

_SHARED: dict[str, Option] = {
    "theme.baseRadius": "0.4rem",
    "theme.headingFontSizes": ["1.7rem", "1.35rem", "1.15rem", "1.05rem", "1rem", "0.9rem"],
    "theme.headingFontWeights": [700, 600, 600, 600, 600, 600],
    "theme.metricValueFontSize": "1.6rem",
    "theme.showWidgetBorder": True,
    "theme.chartCategoricalColors": list(SERIES),
    "theme.paddingTop": "1.5rem",
    "theme.paddingBottom": "2rem",
}
_LIGHT = {
    "primaryColor": BLUE, "backgroundColor": _WHITE, "secondaryBackgroundColor": "#F3F6F8",
    "textColor": _INK, "borderColor": "#D9E0E6", "redColor": VERMILION, "blueColor": BLUE,
    "greenColor": GREEN, "linkColor": BLUE,
}  # fmt: skip
_DARK = {
    "primaryColor": SKY, "backgroundColor": "#0E161E", "secondaryBackgroundColor": "#18232D",
    "textColor": "#E6EDF3", "borderColor": "#2C3A47", "redColor": "#FF8A4C", "blueColor": SKY,
    "greenColor": "#3CC79A", "linkColor": SKY,
    "violetTextColor": "#CDB2F2", "orangeTextColor": "#F5C451",
}  # fmt: skip

OPTIONS: dict[str, Option] = {
    **_SHARED,
    **{f"theme.light.{name}": colour for name, colour in _LIGHT.items()},
    **{f"theme.dark.{name}": colour for name, colour in _DARK.items()},
}
"""Streamlit's options for both themes; the console's process starts with them."""
