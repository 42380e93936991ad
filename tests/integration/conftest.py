"""Integration tests in parallel, a module on one worker: what takes longest is begun first.

A module shares its servers among its tests, so its tests stay together (`--dist loadfile`). vLLM
takes a whole core: one module holds what CI asks of it.
"""

import pytest

LONGEST = ("test_vllm_end_to_end", "test_console_in_browser", "test_signals_against_prometheus")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    items.sort(key=lambda item: item.path.stem not in LONGEST)
    items.sort(key=lambda item: item.path.stem != LONGEST[0])
