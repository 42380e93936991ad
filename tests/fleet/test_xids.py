"""The Xid catalogue: complete, sourced, and open to what a site knows better."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fleet.xids import SHIPPED, shipped
from vocabulary import failure_modes as f
from vocabulary.errors import ConfigError

APPLICATION = {13, 31, 43, 68, 109}


def test_the_shipped_catalogue_says_where_it_comes_from() -> None:
    text = SHIPPED.read_text()
    assert "NVIDIA" in text
    assert shipped().version
    assert len(shipped().rows) >= 80
    assert all(row.meaning and row.nvidia for row in shipped().rows.values())


@pytest.mark.parametrize(
    ("code", "mode"),
    [(79, f.GPU_LOST), (48, f.GPU_MEMORY_FAULT), (94, f.GPU_MEMORY_FAULT), (95, f.GPU_MEMORY_FAULT),
     (64, f.GPU_MEMORY_FAULT), (140, f.GPU_MEMORY_FAULT), (74, f.GPU_LINK_FAULT),
     (145, f.GPU_LINK_FAULT), (119, f.GPU_DRIVER_HANG), (62, f.GPU_DRIVER_HANG),
     (143, f.GPU_XID)],
)  # fmt: skip
def test_an_xid_of_the_hardware_speaks_for_its_failure_mode(code: int, mode: f.FailureMode) -> None:
    assert shipped().of(str(code)).mode == mode.word


@pytest.mark.parametrize("code", sorted(APPLICATION | {45, 63, 92, 154}))
def test_one_event_of_a_program_or_a_notice_says_nothing(code: int) -> None:
    """B14."""
    assert shipped().of(str(code)).mode == ""


def test_application_xids_are_those_of_nvidias_device_plugin() -> None:
    found = {row.code for row in shipped().rows.values() if row.kind == "application"}
    assert found == APPLICATION


def test_an_unknown_code_is_not_harmless() -> None:
    assert shipped().of("9999").mode == f.GPU_XID.word
    assert shipped().of("9999").kind == "unknown"


@given(st.text(max_size=12))
def test_no_label_breaks_it(code: str) -> None:
    assert shipped().of(code).text


def test_a_site_may_say_otherwise_field_by_field(tmp_path: Path) -> None:
    file = tmp_path / "xids.yaml"
    file.write_text(
        "xids:\n  63: {mode: gpu_memory_fault}\n  9001: {meaning: ours, class: notice}\n"
    )
    mine = shipped().with_site(file)
    assert mine.of("63").mode == "gpu_memory_fault"
    assert mine.of("63").meaning == shipped().of("63").meaning
    assert mine.of("63").site
    assert not shipped().of("63").site
    assert mine.of("9001").meaning == "ours"
    assert mine.of("79") == shipped().of("79")
    assert "xids.yaml" in mine.version


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("xids: 5", "must hold codes"),
        ("schema: 7\nxids: {}", "schema"),
        ("xids: {63: {sevrity: info}}", "unknown field `sevrity`"),
        ("xids: {63: {class: alien}}", "class must be one of"),
        ("xids: {63: {mode: no_such}}", "no failure mode `no_such`"),
        ("xids: {63: {repeats: often}}", "repeats cannot be"),
        ("xids: {abc: {repeats: 1}}", "must be a code"),
        ("xids: [", "xids.yaml"),
    ],
)
def test_what_cannot_be_meant_is_refused_by_name(tmp_path: Path, text: str, complaint: str) -> None:
    file = tmp_path / "xids.yaml"
    file.write_text(text)
    with pytest.raises(ConfigError, match=complaint):
        shipped().with_site(file)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="nowhere"):
        shipped().with_site(tmp_path / "nowhere")
