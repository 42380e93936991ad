"""No input crashes a parser: some thousands in CI, more than a million in `make prove`.

python -m pytest tests/fuzz -m prove -s          prints how many inputs each parser was given
TIDEGAUGE_FUZZ_SEED=7 TIDEGAUGE_FUZZ_INPUTS=…    another run of another length
"""

import os
import time

import pytest
from fuzz.mutation import mutants, seeds
from fuzz.parsers import PARSERS

SEED = int(os.environ.get("TIDEGAUGE_FUZZ_SEED", "1"))
PROOF = int(os.environ.get("TIDEGAUGE_FUZZ_INPUTS", "1000000"))


def fuzz(name: str, count: int, seed: int) -> tuple[int, int]:
    """Gives how many inputs there were, and how many of them were read."""
    parser, read = PARSERS[name], 0
    for number, body in enumerate(mutants(seeds(name), count, seed)):
        try:
            read += parser.takes(body)
        except Exception as error:  # noqa: BLE001 - any is a crash
            pytest.fail(f"{name}, input {number} of seed {seed}: {error!r}\n{body!r}")
    return count, read


@pytest.mark.parametrize("name", PARSERS)
def test_mutants_are_read_or_refused_by_name(name: str) -> None:
    _, read = fuzz(name, 10 * PARSERS[name].share + 150, SEED)
    assert read, "a corpus of which nothing is read tests nothing"


@pytest.mark.prove
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("name", PARSERS)
def test_very_many_mutants_are_read_or_refused_by_name(
    name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    began = time.perf_counter()
    count, read = fuzz(name, PROOF * PARSERS[name].share // 100, SEED + 1)
    with capsys.disabled():
        spent = time.perf_counter() - began
        print(f"\n{name}: {count} inputs, {read} read, {count - read} refused, {spent:.0f} s")


def test_a_long_run_is_long() -> None:
    assert sum(parser.share for parser in PARSERS.values()) >= 100
