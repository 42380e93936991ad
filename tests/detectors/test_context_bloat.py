"""F33: prompts that grow from day to day."""

from typing import Any

import numpy as np
import pytest
from scene_builder import NOW, World, noisy, step

from detectors.context_bloat import ContextBloat
from fleet import identity
from vocabulary import signals
from vocabulary.findings import Finding

DAY = 86_400.0


def findings(world: World) -> list[Finding]:
    return list(ContextBloat().detect(world.scene()))


def prompts(course: Any, noise: float = 0.01) -> World:
    shape = noisy(course, noise)
    return World().put(signals.TENANT_DAILY_PROMPT, shape, tenant="acme", model="m")


@pytest.mark.parametrize("growth", [0.01, 0.03, 0.05])
def test_prompts_that_grow_every_day_are_found(growth: float) -> None:
    (finding,) = findings(prompts(lambda t: 1000.0 * (1.0 + growth) ** ((t - NOW) / DAY)))
    assert finding.entity == identity.tenant("acme")
    assert finding.model == "m"
    assert finding.evidence[0].observed == pytest.approx(1000.0, rel=0.05)


def test_prompts_that_shrink_are_good_news() -> None:
    assert findings(prompts(lambda t: 1000.0 * 0.97 ** ((t - NOW) / DAY))) == []


def test_days_that_scatter_are_no_trend() -> None:
    assert findings(prompts(1000.0, noise=0.2)) == []


def test_one_step_is_no_trend() -> None:
    assert findings(prompts(step(NOW - DAY, 1000.0, 3000.0))) == []


def test_a_few_days_are_too_few() -> None:
    young = lambda t: np.where(t < NOW - 5 * DAY, np.nan, 1000.0 * 1.05 ** ((t - NOW) / DAY))  # noqa: E731
    assert findings(prompts(young)) == []
