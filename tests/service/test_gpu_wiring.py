"""GPU sources and settings as the programs put them together: kernel log, Xid file, roofline."""

from pathlib import Path
from typing import Any

import pytest

from fleet.roofline import Roofline
from service import assembly
from service.config import load
from vocabulary import metrics as m
from vocabulary.errors import ConfigError
from vocabulary.samples import Sample

XID = "3,7,{micros},-;NVRM: Xid (PCI:0000:3b:00): 79, pid=1, GPU has fallen off the bus.\n"


def config(tmp_path: Path, text: str) -> Any:
    file = tmp_path / "tidegauge.yaml"
    file.write_text(text)
    return load(file, {})


def test_the_agent_counts_xids_of_the_log_it_was_told_of(tmp_path: Path) -> None:
    log = tmp_path / "kmsg"
    log.write_text("")
    kept: list[Sample] = []
    text = f"kubernetes: off\nnode: n1\ncollectors: {{kernel_log: {{path: {log}}}}}\n"
    agent = assembly.agent_of(config(tmp_path, text), kept.extend)
    agent.round(100.0)
    assert agent.verdicts["kernel_log"] == ("ok", "")
    log.write_text(XID.format(micros=10**15))
    agent.round(115.0)
    agent.round(130.0)
    told = [one for one in kept if one.series.name == m.GPU_XID_EVENTS.name]
    assert [one.value for one in told] == [0.0, 1.0]
    about = dict(told[0].series.labels)
    assert (about["xid"], about["source"], about["node"]) == ("79", "kernel_log", "n1")
    agent.close()


def test_a_log_that_is_missing_costs_only_itself_and_the_agent_knows_why(tmp_path: Path) -> None:
    text = f"kubernetes: off\ncollectors: {{kernel_log: {{path: {tmp_path / 'none'}}}}}\n"
    agent = assembly.agent_of(config(tmp_path, text), lambda _: None)
    agent.round(100.0)
    verdict, why = agent.verdicts["kernel_log"]
    assert verdict == "unsupported"
    assert "mount the host's kernel log" in why
    agent.close()


def test_no_log_is_read_that_nobody_named(tmp_path: Path) -> None:
    assert "kernel_log" not in assembly.node_collectors(config(tmp_path, ""))
    assert "nvml" in assembly.node_collectors(config(tmp_path, ""))


def test_a_sites_own_word_on_xids_reaches_every_detector_that_reads_them(tmp_path: Path) -> None:
    (tmp_path / "xids.yaml").write_text("xids:\n  63: {mode: gpu_memory_fault}\n")
    made: Any = assembly.all_detectors(config(tmp_path, f"xid_file: {tmp_path / 'xids.yaml'}\n"))
    for name in ("gpu_lost", "gpu_memory_fault", "gpu_link_fault", "gpu_driver_hang", "gpu_xid"):
        assert made[name]._xids.of("63").site, name


def test_a_wrong_xid_file_is_one_clear_line(tmp_path: Path) -> None:
    (tmp_path / "xids.yaml").write_text("xids:\n  63: {mood: bad}\n")
    with pytest.raises(ConfigError, match="unknown field `mood`"):
        assembly.all_detectors(config(tmp_path, f"xid_file: {tmp_path / 'xids.yaml'}\n"))


def test_sizes_of_models_are_a_section_of_the_configuration(tmp_path: Path) -> None:
    text = (
        "roofline: {weight_bytes: {llama-70b: 141.0e+9}, kv_bytes_per_token: {llama-70b: 327680}}\n"
    )
    made = config(tmp_path, text).part("roofline", Roofline)
    assert made.weight_bytes == {"llama-70b": 141e9}
    for wrong in ("{weight_bytes: 5}", "{weight_bytes: {m: -1}}", "{weigth_bytes: {}}"):
        with pytest.raises(ConfigError, match="roofline"):
            config(tmp_path, f"roofline: {wrong}\n").part("roofline", Roofline)
