"""The HTTP application: doors in front, routes behind, every error a problem document."""

from threading import BoundedSemaphore

from fastapi import FastAPI
from starlette.routing import Route

from service.api import (
    actions,
    behaviour,
    fleet,
    health,
    hooks,
    incidents,
    problems,
    reports,
    series,
    shifts,
    spend,
)
from service.api.wiring import Wiring
from service.doors import Doorkeeper
from service.mcp.over_http import McpDoor
from service.otlp import over_http
from service.otlp.forward import Forward
from service.otlp.receiver import Receiver, Sinks

DESCRIPTION = """
What is wrong with the inference fleet, since when, whom it hits, what it costs, what changed, and
the first safe step. Times are RFC 3339 in UTC (Unix seconds are understood too), money is a decimal
string, unknown is null and never zero. Errors are problem documents (RFC 9457). Every request needs
a bearer token, except /healthz and /readyz.
"""


def receiver_of(wiring: Wiring, forward: Forward | None = None) -> Receiver:
    """The OTLP receiver; HTTP and gRPC must share one, or deltas are counted twice."""
    sinks = Sinks(wiring.ingest_samples, wiring.ingest_usage, wiring.ingest_changes)
    return Receiver(sinks, wiring.clock, wiring.tenants, wiring.otlp_limits, forward)


def create_app(wiring: Wiring, receiver: Receiver | None = None) -> FastAPI:
    """The API over *wiring*, with OTLP's paths on *receiver* (a new one when not given)."""
    app = FastAPI(
        title="Tidegauge",
        version=wiring.info().version,
        description=DESCRIPTION,
        docs_url=None,  # its page loads scripts from elsewhere
        redoc_url=None,
        redirect_slashes=False,
    )
    app.state.wiring = wiring
    app.state.evaluations = BoundedSemaphore(series.EVALUATIONS)
    app.state.signatures = hooks.Signatures(wiring.hook_secret)
    parts = (incidents, reports, shifts, fleet, series, behaviour, spend, actions, hooks, health)
    for part in parts:
        app.include_router(part.router)
    app.include_router(over_http.router(receiver or receiver_of(wiring)))
    app.router.routes.append(Route("/mcp", McpDoor(wiring.summary), methods=["POST"]))
    problems.install(app)
    app.add_middleware(Doorkeeper, doors=wiring.doors, now=wiring.clock.now)
    return app
