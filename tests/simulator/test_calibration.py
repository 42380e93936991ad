"""The engine's figures bear their sources, and the engine answers as published load tests did."""

from collections import Counter
from dataclasses import fields
from pathlib import Path

import pytest

from simulator.calibration import Point, read_points
from simulator.closed_loop import Shape, measure
from simulator.engine_model import EngineModel
from simulator.engine_presets import CATALOGUE, PRESETS, SOURCES

PUBLISHED = Path(__file__).parents[2] / "benchmarks" / "data" / "published_curves.yaml"
POINTS = read_points(PUBLISHED)
ERRORS = {point: point.errors() for point in POINTS}
HELD_OUT = [point for point in POINTS if not point.fitted]
SHAPE = Shape(512, 64)


def test_every_figure_of_every_preset_names_a_source_that_is_explained() -> None:
    for preset in CATALOGUE.values():
        assert set(preset.sources) == {one.name for one in fields(EngineModel)}
        assert set(preset.sources.values()) <= set(SOURCES), preset.name
    assert {key for one in CATALOGUE.values() for key in one.sources.values()} == set(SOURCES)


def test_six_pairs_of_model_and_gpu_are_measured_and_each_has_published_points() -> None:
    measured = {name for name, one in CATALOGUE.items() if one.measured}
    assert len(measured) == 6
    assert {point.preset for point in POINTS} == measured


def test_the_demo_s_pools_say_that_nobody_measured_them() -> None:
    for name in ("70b-fp8-2xh100", "8b-bf16-l40s", "3b-q4-l4"):
        assert not CATALOGUE[name].measured


def test_three_curves_have_points_that_nothing_was_fitted_to() -> None:
    held_out = Counter(point.preset for point in HELD_OUT)
    assert min(held_out.values()) >= 2
    assert len(held_out) == 3


@pytest.mark.parametrize("point", HELD_OUT, ids=lambda one: f"{one.curve}-{one.callers}")
def test_throughput_and_token_latency_of_held_out_points_are_met(point: Point) -> None:
    errors = ERRORS[point]
    assert abs(errors["tokens_per_second"]) < 0.06
    assert abs(errors.get("between_tokens", 0.0)) < 0.06


def test_fitted_points_are_met_no_worse_than_is_said() -> None:
    for point in POINTS:
        if point.fitted:
            errors = ERRORS[point]
            assert abs(errors.get("tokens_per_second", 0.0)) < 0.12, point
            assert abs(errors.get("between_tokens", 0.0)) < 0.06, point


def test_the_wait_for_the_first_token_holds_where_prompts_dominate_also_in_saturation() -> None:
    long_prompts = [point for point in POINTS if point.preset == "llama-3.3-70b-fp8-2xh100"]
    assert max(point.callers for point in long_prompts) == 250
    for point in long_prompts:
        assert abs(ERRORS[point]["to_first_token"]) < 0.3, point


def test_the_cache_size_that_arithmetic_gives_is_where_the_published_server_saturated() -> None:
    rates = {one.callers: one.tokens_per_second for one in POINTS if one.curve == "nim-70b-2xh100"}
    assert rates[250] == pytest.approx(rates[100], rel=0.01)
    sixty = measure(PRESETS["llama-3.3-70b-fp8-2xh100"], 60, Shape(5000, 500), 480)
    ninety = measure(PRESETS["llama-3.3-70b-fp8-2xh100"], 90, Shape(5000, 500), 720)
    assert sixty.to_first_token < 1.5, "sixty fit into the cache"
    assert ninety.to_first_token > 2 * sixty.to_first_token, "of ninety some wait for others"


def test_more_callers_mean_more_tokens_and_longer_waits() -> None:
    model = PRESETS["8b-bf16-l40s"]
    few, many = measure(model, 2, SHAPE, 16), measure(model, 32, SHAPE, 256)
    assert many.tokens_per_second > 3 * few.tokens_per_second
    assert many.between_tokens > few.between_tokens
    assert many.to_first_token > few.to_first_token


def test_a_static_batch_is_counted_whole() -> None:
    model = PRESETS["8b-bf16-l40s"]
    batch = measure(model, 8, SHAPE, 8, settled=False)
    took = 8 * SHAPE.output_tokens / batch.tokens_per_second
    assert took == pytest.approx(
        8 * SHAPE.input_tokens * model.per_prefill_token
        + SHAPE.output_tokens * (model.base + 8 * model.per_request), rel=0.1,
    )  # fmt: skip


@pytest.mark.parametrize(("callers", "requests", "settled"), [(4, 3, False), (4, 12, True)])
def test_a_load_of_which_nothing_is_left_is_refused(
    callers: int, requests: int, settled: bool
) -> None:
    with pytest.raises(ValueError, match="nothing to be counted"):
        measure(PRESETS["8b-bf16-l40s"], callers, SHAPE, requests, settled=settled)
