"""Integration tests in parallel: one worker a module, and one for everything that runs vLLM.

A module shares its servers among its tests, so its tests stay together. vLLM takes a whole core;
two of them at once would slow each other into states that the tests would then find.
"""

import pytest

VLLM = {"test_vllm_end_to_end", "test_collectors_live", "test_rigs_start"}


@pytest.hookimpl(tryfirst=True)  # xdist reads the groups in the same hook
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    items.sort(key=lambda item: item.path.stem not in VLLM)  # the longest first
    for item in items:
        if item.path.parent.name == "integration":
            group = "vllm" if item.path.stem in VLLM else item.path.stem
            item.add_marker(pytest.mark.xdist_group(group))
