"""Moves around an incident: of its things, its pool and its model, in the span it concerns."""

from typing import Any

from vocabulary.incidents import rfc3339

SPANS: list[tuple[float, float]] = []


def told(start: float, end: float) -> dict[str, Any]:
    SPANS.append((start, end))

    def move(entity: str, pool: str = "", model: str = "") -> dict[str, Any]:
        return {"entity": entity, "pool": pool, "model": model, "signal": "x"}

    moves = [
        move("replica/c/ns/u-1/vllm", "ns/llama", "llama"), move("gpu/GPU-1"), move("gpu/GPU-2"),
        move("replica/other", "ns/llama", "llama"), move("replica/z", "ns/qwen", "qwen"),
    ]  # fmt: skip
    return {"moves": moves, "unusual": [], "series": 5, "budget": {}}


def test_without_an_incident_everything_of_the_last_hour_is_told(world: Any) -> None:
    answer = world.client(behaviour=told).get("/api/v1/behaviour").json()
    assert len(answer["moves"]) == 5
    start, end = SPANS[-1]
    assert end - start == 3600.0


def test_around_an_incident_only_what_concerns_it_and_from_before_it(world: Any) -> None:
    one = next(iter(world.desk.incidents.values()))
    client = world.client(behaviour=told)
    answer = client.get("/api/v1/behaviour", params={"incident": one.id}).json()
    assert [move["entity"] for move in answer["moves"]] == [
        "replica/c/ns/u-1/vllm", "gpu/GPU-1", "replica/other",
    ]  # fmt: skip
    assert answer["from"] == rfc3339(one.since - 900.0)
    few = client.get("/api/v1/behaviour", params={"incident": one.id, "limit": 1}).json()
    assert len(few["moves"]) == 1


def test_an_unknown_incident_and_a_span_that_ends_before_it_begins_are_refused(world: Any) -> None:
    client = world.client(behaviour=told)
    assert client.get("/api/v1/behaviour", params={"incident": "i-none"}).status_code == 404
    backwards = {"from": "2026-11-03T10:00:00Z", "to": "2026-11-03T09:00:00Z"}
    assert client.get("/api/v1/behaviour", params=backwards).status_code in {400, 422}
