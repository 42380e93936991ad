"""Whatever is asked, the answer is never a crash: every path, with nonsense in every place."""

from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

NONSENSE = st.one_of(
    st.text(max_size=40),
    st.sampled_from(
        ["nan", "-inf", "1e308", "-1", "0", "\x00", "replica/", "gpu/x", "2026-13-99T99:99:99Z",
         "requests_waiting", "' or 1=1 --", "{{7*7}}", "../../etc/passwd", "9" * 400]
    ),
    st.floats().map(str),
    st.integers().map(str),
)  # fmt: skip
JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=10), inner),
    max_leaves=8,
)
CHECKED = settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


def operations(client: Any, method: str) -> list[tuple[str, list[str]]]:
    found = []
    for path, described in client.app.openapi()["paths"].items():
        if method in described:
            query = [
                p["name"] for p in described[method].get("parameters", ()) if p["in"] == "query"
            ]
            found.append((path, query))
    assert len(found) > 5
    return found


@CHECKED
@given(data=st.data())
def test_no_question_is_a_crash(client: Any, data: Any) -> None:
    path, names = data.draw(st.sampled_from(operations(client, "get")))
    path = path.replace("{incident_id}", data.draw(st.sampled_from(["i-0", "nope", "%00", "a b"])))
    asked = st.lists(st.sampled_from(names), unique=True) if names else st.just([])
    query = {name: data.draw(NONSENSE) for name in data.draw(asked)}
    answer = client.get(path, params=query)
    assert answer.status_code in {200, 400, 404}, answer.text
    if answer.status_code != 200:
        assert answer.headers["content-type"] == "application/problem+json"
        assert len(answer.json()["detail"]) > 5


@CHECKED
@given(data=st.data(), body=JSON)
def test_no_act_is_a_crash(client: Any, data: Any, body: Any) -> None:
    path, _ = data.draw(st.sampled_from(operations(client, "post")))
    path = path.replace("{incident_id}", data.draw(st.sampled_from(["i-0", "nope"])))
    path = path.replace("{action_id}", data.draw(st.sampled_from(["i-0:R01", "nope", "a/b"])))
    answer = client.post(path, json=body)
    assert answer.status_code in {200, 400, 403, 404, 409, 415}, (path, answer.text)


@pytest.mark.parametrize("path", ["/nope", "/api/v1/incidents/", "/api/v2/incidents", "//healthz"])
def test_what_does_not_exist_is_a_problem_document(client: Any, path: str) -> None:
    answer = client.get(f"http://testserver{path}")
    assert answer.status_code == 404
    assert answer.headers["content-type"] == "application/problem+json"
