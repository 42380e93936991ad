"""A desk over a file of its own, and a small world for it to look at."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from incident_scenes import Story


@pytest.fixture
def story(tmp_path: Path) -> Iterator[Story]:
    made = Story(tmp_path / "control.sqlite")
    yield made
    made.records.close()


@pytest.fixture
def make_story(tmp_path: Path) -> Iterator[Callable[..., Story]]:
    made: list[Story] = []

    def make(**options: object) -> Story:
        made.append(Story(tmp_path / f"control-{len(made)}.sqlite", **options))
        return made[-1]

    yield make
    for one in made:
        one.records.close()
