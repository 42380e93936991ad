"""Alert rules name Xids by code, since PromQL cannot look into a file: the codes are the file's."""

import re

import pytest

from fleet.xids import shipped
from service.rules import read_rules

RULES = {file.word: str(file.alerts[0]["expr"]) for file in read_rules() if file.alerts}
ROWS = shipped().rows.values()


@pytest.mark.parametrize(
    "word", ["gpu_lost", "gpu_memory_fault", "gpu_link_fault", "gpu_driver_hang"]
)
def test_a_rule_names_exactly_the_xids_that_speak_for_its_mode(word: str) -> None:
    (codes,) = re.findall(r'xid=~"([\d|]+)"', RULES[word])
    assert set(map(int, codes.split("|"))) == {row.code for row in ROWS if row.mode == word}


def test_what_is_left_is_what_has_no_other_rule_and_is_no_programs_own() -> None:
    (codes,) = re.findall(r'xid!~"([\d|]+)"', RULES["gpu_xid"])
    assert set(map(int, codes.split("|"))) == {row.code for row in ROWS if row.mode != "gpu_xid"}
