"""Colours, light and dark. Okabe and Ito's palette: told apart by every kind of colour vision."""

SEVERITY_COLOURS = {"critical": "red", "warning": "orange", "info": "blue"}
"""Streamlit's named colours, which follow the theme."""

STATE_COLOURS = {
    "loading": "#56B4E9", "idle": "#999999", "serving": "#009E73", "saturated": "#E69F00",
    "stalled": "#D55E00", "blind": "#CC79A7",
}  # fmt: skip
OBSERVED = "#0072B2"
EXPECTED = "#999999"
INCIDENT = "#D55E00"
CHANGE = "#CC79A7"
SERIES = ("#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00", "#F0E442", "#999999")
