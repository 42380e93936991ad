"""The HTTP API: routes over seams, and nothing that decides; no route reaches past its wiring."""

from service.api.application import create_app, receiver_of
from service.api.wiring import IncidentDesk, Info, Wiring

__all__ = ["IncidentDesk", "Info", "Wiring", "create_app", "receiver_of"]
