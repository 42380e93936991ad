"""One site a test, whose log must be whole when the test is over."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from execution_site import Site


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    made = Site(tmp_path / "control.sqlite")
    yield made
    assert made.whole() == "", "the log is whole after every story"
    made.records.close()
