"""An incident as a document: Markdown for a ticket, or one HTML file with charts."""

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query, Request, Response

from service.api.fleet import told_changes
from service.api.parameters import Wired
from service.api.series import slot
from service.api.similar import similar_json
from service.api.wiring import Wiring
from service.report import markdown
from service.report_html import charts_of, page
from vocabulary.incidents import Incident, incident_json, rfc3339

router = APIRouter(prefix="/api/v1/incidents", tags=["incidents"])
_POLICY = "default-src 'none'; style-src 'unsafe-inline'; sandbox"


@router.get("/{incident_id}/report", summary="The incident as a document", response_class=Response)
def report(
    request: Request,
    wiring: Wired,
    incident_id: str,
    format_: Annotated[Literal["html", "markdown"], Query(alias="format")] = "html",
) -> Response:
    """One file that stands by itself; the HTML has charts and asks nobody for anything."""
    one = wiring.desk.get(incident_id)
    name = "".join(letter if letter.isalnum() or letter == "-" else "-" for letter in one.id)
    changes, before = _judged(wiring, one), similar_json(wiring.desk, one)
    if format_ == "markdown":
        told = markdown(incident_json(one), changes, before)
        return _file(told, "text/markdown", f"{name}.md")
    info = wiring.info()
    until = info.as_of or wiring.clock.now()
    with slot(request):
        charts = charts_of(one, until, wiring.store)
    made = f"Tidegauge {info.version}, {rfc3339(wiring.clock.now())}"
    text = page(one, charts, changes, before, made)
    return _file(text, "text/html", f"{name}.html")


def _file(text: str, kind: str, name: str) -> Response:
    headers = {
        "content-disposition": f'attachment; filename="{name}"',
        "content-security-policy": _POLICY,
        "x-content-type-options": "nosniff",
    }
    return Response(text, media_type=f"{kind}; charset=utf-8", headers=headers)


def _judged(wiring: Wiring, one: Incident) -> list[dict[str, Any]]:
    """Changes near the incident, with what each did where the feed still knows it."""
    near = {(each.at, each.kind, each.entity, each.what) for each in one.changes}
    known = [
        each
        for each in wiring.scene().changes
        if (each.at, each.kind, each.entity, each.what) in near
    ]
    verdicts = {
        (each["at"], each["kind"], each["what"]): each["verdict"]
        for each in told_changes(wiring, known)
    }
    return [
        {**each, "verdict": verdicts.get((each["at"], each["kind"], each["what"]))}
        for each in incident_json(one)["changes"]
    ]
