"""docs/gpu.md tells of every signal that is read of a GPU, and of none that is not."""

import re
from pathlib import Path

import pynvml

from collectors.kernel_log import KernelLog
from collectors.nvml import Nvml
from fleet.xids import shipped
from vocabulary import failure_modes
from vocabulary.metrics import BY_NAME

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "gpu.md").read_text()
ROWS = [
    [cell.strip() for cell in line.strip("|").split("|")]
    for line in PAGE.splitlines()
    if re.match(r"\| `(?:hw|tidegauge)_", line)
]
SOURCE = "\n".join(path.read_text() for path in (ROOT / "collectors").glob("*n*.py"))


def names(text: str) -> list[str]:
    return re.findall(r"`([^`]+)`", text)


def test_every_signal_has_its_row_and_no_row_is_of_nothing() -> None:
    told = [names(row[0])[0] for row in ROWS]
    assert len(set(told)) == len(told)
    assert set(told) == {metric.name for metric in (*Nvml.produces, *KernelLog.produces)}


def test_every_row_bears_the_unit_of_its_metric_and_a_word_on_mig() -> None:
    for metric, unit, _, support, mig in ROWS:
        assert BY_NAME[names(metric)[0]].unit == unit, metric
        assert support
        assert mig in {"P", "I", "X"}


def test_every_call_and_field_exists_and_is_asked_for() -> None:
    for row in ROWS:
        for name in names(row[2]):
            assert hasattr(pynvml, name), name
            spelt = name.removeprefix("NVML_FI_DEV_")
            assert re.search(rf"\b{spelt}\b", SOURCE), f"{name} is never asked for"


def test_failure_modes_bear_their_codes() -> None:
    for code, word in re.findall(r"^\| ([FY]\d\d) \| `(\w+)`", PAGE, re.MULTILINE):
        assert failure_modes.BY_WORD[word].code == code


def test_the_programs_own_xids_are_the_catalogues() -> None:
    (codes,) = re.findall(r"A program's own Xids \(([\d, ]+) and", PAGE)
    own = {row.code for row in shipped().rows.values() if row.kind == "application"}
    assert {int(one) for one in codes.split(", ")} == own
