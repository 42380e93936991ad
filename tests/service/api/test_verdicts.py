"""Verdicts on changes over HTTP: from series in a store to what the API, MCP and the CLI tell."""

from dataclasses import dataclass, replace
from typing import Any

from scene_builder import NOW, World, step

from fleet import identity
from incidents.before_and_after import AFTER
from service.api.fleet import MOST_VERDICTS
from service.verdicts import FRESH_SECONDS, NOTHING_ON_IT, Verdicts
from tests.incidents.test_rollout_verdict import DRIVER, ROLLOUT, T0, across, pool
from vocabulary.entities import Change
from vocabulary.errors import StoreUnreachable
from vocabulary.expressions import Signal
from vocabulary.incidents import NearbyChange
from vocabulary.samples import Frame
from vocabulary.scene import Scene, Watch


@dataclass
class Asked:
    """A store made of courses, which counts what it is asked."""

    world: World
    count: int = 0
    down: bool = False

    def evaluate(self, signal: Signal, start: float, end: float, every: float) -> Frame:
        self.count += 1
        if self.down:
            raise StoreUnreachable("the backend does not answer")
        return self.world.frame(Watch(signal, end - start, every), end)

    def newest(self) -> float | None:
        return NOW


def scene(now: float, *changes: Change) -> Scene:
    return Scene(now, frame=lambda watch: World().frame(watch), changes=changes)


def test_a_verdict_is_made_once_and_kept_when_it_is_final() -> None:
    store, moment = Asked(pool([step(T0, 1.0, 1.12)] * 2)), [NOW]
    arguments = replace(ROLLOUT, what="argument added", at=T0 + 60.0)
    verdicts = Verdicts(store, lambda: scene(moment[0], ROLLOUT, arguments))
    first = verdicts(ROLLOUT)
    assert first is not None
    assert first["word"] == "worse"
    asked = store.count
    assert verdicts(arguments) is first, "two changes of one act share their verdict"
    assert store.count == asked
    moment[0] += FRESH_SECONDS
    verdicts(ROLLOUT)
    assert store.count > asked
    moment[0] = T0 + 60.0 + AFTER + 1.0
    final, asked = verdicts(ROLLOUT), store.count
    moment[0] += 10_000.0
    assert verdicts(ROLLOUT) is final
    assert store.count == asked


def test_a_store_that_does_not_answer_is_no_verdict() -> None:
    told = Verdicts(Asked(World(), down=True), lambda: scene(NOW, ROLLOUT))(ROLLOUT)
    assert told is not None
    assert told["word"] == "cannot_tell_yet"
    assert "does not answer" in told["text"]


def test_a_driver_is_judged_for_the_replicas_on_its_node_and_a_node_without_any_says_so() -> None:
    world = across({"n1": [step(T0, 1.0, 1.15)] * 2, "n2": [1.0] * 2})
    other = replace(DRIVER, entity=identity.node("n9"))
    verdicts = Verdicts(Asked(world), lambda: scene(NOW, DRIVER, other))
    worse, nothing = verdicts(DRIVER), verdicts(other)
    assert worse is not None
    assert worse["word"] == "worse"
    assert worse["signals"][0]["pool"] == "chat"
    assert nothing is not None
    assert (nothing["word"], nothing["text"]) == ("cannot_tell_yet", NOTHING_ON_IT)


def test_many_acts_of_scaling_leave_rollouts_their_verdicts(world: Any) -> None:
    acts = [replace(ROLLOUT, kind="scale", at=T0 + 60.0 * n, what=f"{n}") for n in range(60)]
    world.scene = scene(NOW, ROLLOUT, *acts)
    with world.client(verdict=lambda change: {"word": "better", "text": change.kind}) as client:
        told = client.get("/api/v1/changes").json()["changes"]
    judged = [one["kind"] for one in told if one["verdict"]]
    assert (judged.count("scale"), judged.count("rollout")) == (MOST_VERDICTS, 1)


def test_the_api_judges_rollouts_and_scaling_and_no_prices(world: Any) -> None:
    scaling = replace(ROLLOUT, kind="scale", what="2 → 3 replicas")
    price = replace(ROLLOUT, kind="price", what="price × 0.7")
    world.scene = scene(NOW, ROLLOUT, scaling, price)
    store = Asked(pool([step(T0, 1.0, 1.12)] * 2))
    with world.client(verdict=Verdicts(store, lambda: world.scene)) as client:
        told = {one["kind"]: one for one in client.get("/api/v1/changes").json()["changes"]}
    assert told["price"]["verdict"] is None
    assert told["scale"]["verdict"]["word"] in {"no_difference", "cannot_tell_yet"}
    verdict = told["rollout"]["verdict"]
    assert verdict["word"] == "worse"
    assert verdict["final"] is False
    itl = verdict["signals"][0]
    assert itl["lower"] <= 0.12 <= itl["upper"]


def test_an_agent_is_told_what_the_rollout_near_an_incident_did(world: Any) -> None:
    import anyio

    from service.mcp.fleet_tools import with_verdicts

    world.scene = scene(NOW, ROLLOUT)
    store = Asked(pool([step(T0, 1.0, 1.12)] * 2))
    near = NearbyChange(ROLLOUT.at, ROLLOUT.kind, ROLLOUT.entity, ROLLOUT.what, -60.0)
    one = world.desk.incidents["i-0"]
    world.desk.incidents["i-0"] = replace(one, changes=(near,))
    with world.client(verdict=Verdicts(store, lambda: world.scene)) as client:

        async def read(path: str, query: Any) -> Any:
            return client.get(path, params=query).json()

        shown = client.get("/api/v1/incidents/i-0").json()
        (change,) = anyio.run(with_verdicts, shown, read)
    assert change["offset_seconds"] == -60.0
    assert change["verdict"]["word"] == "worse"
