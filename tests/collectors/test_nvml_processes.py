"""Processes of a device: each counted once, whichever of the driver's lists it is in."""

from pathlib import Path

import pytest
from fake_nvml.library import build, run, state_text
from fake_nvml.reading import READ, values

from vocabulary import metrics as m


@pytest.fixture(scope="module")
def driver(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build(tmp_path_factory.mktemp("driver"))


def test_a_process_in_several_lists_is_one_and_an_mps_client_is_no_other(
    driver: Path, tmp_path: Path
) -> None:
    state = tmp_path / "gpus"
    lists = {"gpu0_processes": 2, "gpu0_graphics": 1, "gpu0_mps": 1, "gpu0_process_memory_10": 2e9}
    empty, refused = state_text(count=1), state_text(count=1, **lists, gpu0_no_mps=1)
    silent = state_text(count=1, gpu0_no_processes=1)
    state.write_text(state_text(count=1, **lists))
    code = f"""
    rounds = [read(), then({empty!r}), then({refused!r}), then({silent!r})]
    print(json.dumps(rounds))
    """
    full, none, without, unknown = run(READ + code, driver, state)
    assert values(full, m.GPU_PROCESSES) == [3.0]
    assert values(full, m.GPU_PROCESS_MEMORY, pid="4000") == [30e9]
    assert values(full, m.GPU_PROCESS_MEMORY, pid="4001") == [], "counted, and not invented"
    assert values(full, m.GPU_PROCESS_MEMORY, pid="4010") == [2e9]
    assert values(none, m.GPU_PROCESSES) == [0.0]
    assert values(without, m.GPU_PROCESSES) == [2.0], "a list that is refused costs its own"
    assert values(unknown, m.GPU_PROCESSES) == []
