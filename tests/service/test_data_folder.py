"""The demo's data and real data never share a folder."""

from pathlib import Path

import pytest

from service.assembly import CONTROL_FILE
from service.data_folder import prepare_folder
from vocabulary.errors import ConfigError


@pytest.mark.parametrize("simulated", [True, False])
def test_takes_its_own_folder_again(tmp_path: Path, simulated: bool) -> None:
    prepare_folder(tmp_path / "data", simulated=simulated)
    (tmp_path / "data" / CONTROL_FILE).touch()
    prepare_folder(tmp_path / "data", simulated=simulated)


@pytest.mark.parametrize("simulated", [True, False])
def test_refuses_a_folder_of_the_other_kind(tmp_path: Path, simulated: bool) -> None:
    prepare_folder(tmp_path / "data", simulated=simulated)
    (tmp_path / "data" / CONTROL_FILE).touch()
    with pytest.raises(ConfigError, match="--data-dir"):
        prepare_folder(tmp_path / "data", simulated=not simulated)


def test_a_folder_without_incidents_may_become_a_demo(tmp_path: Path) -> None:
    (tmp_path / "token").touch()
    prepare_folder(tmp_path, simulated=True)
