"""Scenario files: what they mean, what is refused and with which words, and the examples."""

import re
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import example, given, settings
from hypothesis import strategies as st

from simulator.adapters import AdapterUse
from simulator.agent_plans import AgentUse
from simulator.allowances import Allowance
from simulator.drafting import Drafting
from simulator.faults.engine_stalled import EngineStalled
from simulator.faults.straggler_gpu import StragglerGpu
from simulator.outside import PROVIDER
from simulator.scenario_file import read_scenario
from simulator.schedule import WEEK_START
from simulator.world import World
from vocabulary.errors import ConfigError

EXAMPLES = sorted((Path(__file__).resolve().parents[2] / "docs/scenarios").glob("*.yaml"))
SMALL: dict[str, Any] = {
    "version": 1,
    "name": "mine",
    "duration": "30m",
    "cluster": {
        "name": "mine",
        "nodes": [{"name": "n1", "gpu": "L4", "count": 2}],
        "pools": [
            {
                "name": "p1",
                "server": "vllm",
                "model": "m1",
                "version": "0.32.0",
                "gpu": "L4",
                "replicas": 2,
                "engine": {"preset": "8b-bf16-l40s"},
                "usd_per_million": {"input": 0.1, "output": 0.3, "cached": 0.02},
            }
        ],
        "tenants": [{"name": "t1"}],
        "streams": [{"tenant": "t1", "pool": "p1", "trace": "conversation", "rate": 0.5}],
    },
    "events": [{"at": "10m", "inject": "F01", "with": {"pool": "p1"}}],
}


def put(folder: Path, *changes: tuple[str, Any]) -> Path:
    """SMALL as a file, with the values at these places changed (None removes)."""
    body: Any = yaml.safe_load(yaml.safe_dump(SMALL))
    for place, value in changes:
        *way, last = [int(key) if key.isdigit() else key for key in place.split("/")]
        node = body
        for key in way:
            node = node[key]
        if value is None:
            del node[last]
        else:
            node[last] = value
    file = folder / "scenario.yaml"
    file.write_text(yaml.safe_dump(body), encoding="utf-8")
    return file


def test_a_file_says_what_happens_where_and_when(tmp_path: Path) -> None:
    start = ("start", "wednesday 06:30")
    found = read_scenario(put(tmp_path, start, ("seed", 9), ("history", "2d")))
    assert (found.seed, found.history_days, found.story.length) == (9, 2.0, 1800.0)
    assert found.start == WEEK_START + 2 * 86_400.0 + 6.5 * 3600.0
    (event,) = found.story.events
    assert (event.after, event.fault) == (600.0, EngineStalled(pool="p1"))
    assert str(found.cluster.pool("p1").usd_per_million_output) == "0.3"


def test_parameters_are_the_faults_fields_and_durations_have_units(tmp_path: Path) -> None:
    parameters = {"pool": "p1", "clock_share": 0.5, "ramp": "4m", "duration": "20m", "member": 0}
    event = {"at": 60, "inject": "straggler_gpu", "with": parameters}
    found = read_scenario(put(tmp_path, ("events/0", event)))
    fault = found.story.events[0].fault
    assert fault == StragglerGpu(pool="p1", clock_share=0.5, ramp=240.0, duration=1200.0)


@pytest.mark.parametrize(
    ("text", "seconds"), [("90s", 90), ("10m", 600), ("1.5h", 5400), ("1d", 86_400), (600, 600)]
)
def test_a_duration_has_a_unit_or_is_in_seconds(tmp_path: Path, text: Any, seconds: float) -> None:
    found = read_scenario(put(tmp_path, ("duration", "2d"), ("events/0/at", text)))
    assert found.story.events[0].after == seconds


def test_a_moment_with_its_zone_is_that_moment(tmp_path: Path) -> None:
    file = put(tmp_path, ("start", "2025-11-21T18:00:00+01:00"))
    assert read_scenario(file).start == WEEK_START + 4 * 86_400.0 + 17 * 3600.0


WRONG = [
    (("cluster/pools/0/replica", 2), r"cluster\.pools\[0\]\.replica: .*mean `replicas`"),
    (("sead", 2), r"sead: there is no such key; did you mean `seed`"),
    (("duration", None), r"duration: this key is missing"),
    (("version", 2), r"version: write `version: 1`"),
    (("duration", "ten minutes"), r"duration: .*90s, 10m"),
    (("start", "someday"), r"start: .*friday 18:00"),
    (("start", "2025-11-21 18:00:00"), r"start: .*say the zone too"),
    (("start", "1825-11-21T18:00:00Z"), r"start: .*year from 2000"),
    (("cluster", "nowhere"), r"cluster: .*'demo', 'held-out', .* or 'shared'"),
    (("events/0/inject", "F99"), r"events\[0\].*nothing is called 'F99'"),
    (("events/0/inject", "engine_staled"), r"events\[0\].*mean `engine_stalled`"),
    (("events/0/with/duratoin", 5), r"events\[0\]\.with\.duratoin: .*mean `duration`"),
    (("events/0/with/pool", "p2"), r"events\[0\]\.with\.pool: .*no pool 'p2'.*which of: p1"),
    (("events/0/with", {}), r"events\[0\]\.with\.pool: .*no pool 'chat-70b'.*p1"),
    (("events/0/at", "2h"), r"events\[0\]\.at: .*over by then"),
    (("cluster/pools/0/replicas", 3), r"pools\[0\]\.replicas: 3 replicas of 1 L4 do not fit"),
    (("cluster/streams/0/pool", "p2"), r"streams\[0\]\.pool: there is no pool 'p2'; known: p1"),
    (("cluster/streams/0/rate", "fast"), r"cluster\.streams\[0\]\.rate: 'fast'"),
    (("cluster/streams/0/rate", float("inf")), r"cluster\.streams\[0\]\.rate"),
    (("cluster/pools/0/engine", {"base": 0.02}), r"pools\[0\]\.engine: per_request is missing"),
    (("cluster/pools/0/engine/kv_tokens", 999), r"engine: kv_tokens \(999\) must hold"),
    (("cluster/nodes/0/shared", True), r"pools\[0\]\.memory_share: 0\.93 leaves no room"),
    (("cluster/pools/0/prefill", {"replicas": 9}), r"pools\[0\]\.replicas: 1\d replicas of 1 L4"),
    (("cluster/pools/0/prefill", {"replicas": 1, "bandwith": 2}), r"prefill\.bandwith: .*width"),
    (("cluster/pools/0/server", "magic"), r"pools\[0\]\.server: .*'vllm', 'llamacpp', 'sglang'"),
    (("cluster/nodes/0/name", "../etc"), r"nodes\[0\]\.name"),
]


@pytest.mark.parametrize(("change", "words"), WRONG, ids=[one[0][0] for one in WRONG])
def test_a_mistake_is_answered_with_file_place_and_mend(
    tmp_path: Path, change: tuple[str, Any], words: str
) -> None:
    file = put(tmp_path, change)
    with pytest.raises(ConfigError, match=words) as told:
        read_scenario(file)
    assert str(told.value).startswith(str(file))
    assert "\n" not in str(told.value)


def test_two_pools_of_one_name_and_a_key_that_stands_twice_are_refused(tmp_path: Path) -> None:
    pools = SMALL["cluster"]["pools"]
    with pytest.raises(ConfigError, match=r"pools\[1\]\.name: 'p1' is taken"):
        read_scenario(put(tmp_path, ("cluster/pools", pools * 2)))
    file = tmp_path / "twice.yaml"
    file.write_text("version: 1\nseed: 1\nseed: 2\n", encoding="utf-8")
    with pytest.raises(ConfigError, match=r"twice\.yaml: `seed` stands twice"):
        read_scenario(file)


def test_what_cannot_be_read_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"cannot read the scenario .*none\.yaml"):
        read_scenario(tmp_path / "none.yaml")
    file = tmp_path / "list.yaml"
    file.write_text("- 1\n", encoding="utf-8")
    with pytest.raises(ConfigError, match="must hold keys and values"):
        read_scenario(file)
    file.write_bytes(b"a: [\xff")
    with pytest.raises(ConfigError, match="is not YAML"):
        read_scenario(file)


JUNK = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner),
    max_leaves=6,
)
PLACES = [
    "seed", "start", "duration", "history", "cluster", "events", "events/0", "events/0/with",
    "events/0/with/duration", "cluster/pools/0", "cluster/pools/0/engine", "cluster/streams",
]  # fmt: skip


@settings(deadline=None)  # the first call builds the shape of a whole file
@example(place="events/0/with", junk={"\r": None})
@given(place=st.sampled_from(PLACES), junk=JUNK.filter(lambda value: value is not None))
def test_junk_anywhere_is_read_or_refused_in_one_line(
    tmp_path_factory: pytest.TempPathFactory, place: str, junk: Any
) -> None:
    file = put(tmp_path_factory.mktemp("junk"), (place, junk))
    told = ""
    try:
        read_scenario(file)
    except ConfigError as error:
        told = str(error)
    assert len(told.splitlines()) <= 1
    assert len(told) < 2000


def test_there_are_five_examples() -> None:
    assert len(EXAMPLES) >= 5


@pytest.mark.parametrize("file", EXAMPLES, ids=[one.stem for one in EXAMPLES])
def test_each_example_happens_as_it_says(file: Path) -> None:
    """Everything it injects begins within the first two minutes of its world, on its victims."""
    found = read_scenario(file)
    assert found.story.name == file.stem
    assert re.search(r"[a-z]", found.cluster.name)
    world = World(found.seed, found.start, found.cluster)
    placed = [
        world.inject(event.fault, world.start + 15.0 * turn)
        for turn, event in enumerate(found.story.events)
    ]
    world.advance(world.start + 120.0)
    for injection in placed:
        truth = injection.truth()
        assert truth["began"]
        assert truth["entities"]
        assert all(one.partition("/")[2] for one in truth["entities"])


def test_every_feature_of_a_cluster_can_be_written(tmp_path: Path) -> None:
    price = {"input": 3, "output": 15, "cached": 0.3}
    hosted = {"name": "far", "model": "far-1", "usd_per_million": price, "context": 200_000}
    agent = {"name": "helper", "tenant": "t1", "pool": "far", "rate": 0.1, "depth": 3}
    found = read_scenario(
        put(
            tmp_path,
            ("cluster/pools/0/drafting", {"tokens": 5}),
            ("cluster/pools/0/adapters", {"asked": 9, "load_seconds": "2s"}),
            ("cluster/pools/0/fallbacks", ["far"]),
            ("cluster/providers", [hosted]),
            ("cluster/agents", [agent]),
            ("cluster/budgets", [{"tenant": "t1", "usd": 12.5, "period": "7d", "status": 429}]),
        )
    ).cluster
    own, far = found.pool("p1"), found.pool("far")
    assert own.drafting == Drafting(tokens=5)
    assert own.adapters == AdapterUse(asked=9, load_seconds=2.0)
    assert own.fallbacks == ("far",)
    assert (far.server, far.replicas, far.engine.max_context) == (PROVIDER, 0, 200_000)
    assert far.usd_per_million_output == 15
    assert found.agents == (AgentUse("helper", "t1", "far", 0.1, depth=3),)
    assert found.budgets == (Allowance("t1", Decimal("12.5"), 7 * 86_400.0, status=429),)
    world = World(1, WEEK_START, replace(found, warm_up=60.0, uptime=7200.0))
    world.advance(WEEK_START + 60.0)
    assert world.gateway.account("t1", "far").succeeded > 0


ADDED = [
    (("cluster/pools/0/fallbacks", ["p1"]), r"pools\[0\]\.fallbacks: there is no other pool 'p1'"),
    (("cluster/pools/0/drafting", {"token": 3}), r"drafting\.token: .*mean `tokens`"),
    (("cluster/pools/0/adapters", {"share": 2}), r"pools\[0\]\.adapters\.share"),
    (("cluster/budgets", [{"tenant": "t2", "usd": 1}]), r"budgets\[0\]\.tenant: .*no tenant 't2'"),
    (("cluster/budgets", [{"tenant": "t1", "usd": 1, "status": 500}]), r"status: .*422 or 429"),
    (
        ("cluster/agents", [{"name": "a", "tenant": "t1", "pool": "p9", "rate": 1}]),
        r"agents\[0\]\.pool: there is no pool 'p9'; known: p1",
    ),
    (
        ("cluster/providers", [{"name": "p1", "model": "x",
                                "usd_per_million": {"input": 1, "output": 1, "cached": 1}}]),
        r"providers\[0\]\.name: 'p1' is taken",
    ),
]  # fmt: skip


@pytest.mark.parametrize(("change", "words"), ADDED, ids=[one[1][:24] for one in ADDED])
def test_a_mistake_in_a_feature_is_answered_with_its_place(
    tmp_path: Path, change: tuple[str, Any], words: str
) -> None:
    with pytest.raises(ConfigError, match=words):
        read_scenario(put(tmp_path, change))
