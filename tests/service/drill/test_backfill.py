"""What goes into a real Prometheus, and in which order rules are recorded there."""

from pathlib import Path

import pytest

from service.drill.backfill import Programs, names_in, passes, write_samples
from service.rules import read_rules
from store.embedded import EmbeddedStore
from vocabulary.errors import ConfigError
from vocabulary.samples import Sample, Series, labels_of

AT = 1_763_337_600.0


def test_missing_programs_are_named_with_the_mend(tmp_path: Path) -> None:
    (tmp_path / "promtool").touch(mode=0o755)
    with pytest.raises(ConfigError, match=r"prometheus is not in .*--prometheus"):
        Programs.found(tmp_path)
    (tmp_path / "prometheus").touch(mode=0o755)
    assert Programs.found(tmp_path).promtool == tmp_path / "promtool"


def test_samples_are_text_that_promtool_takes(tmp_path: Path) -> None:
    up = Series("tidegauge_target_up", labels_of({"target": 'a"b'}))
    other = Series("tidegauge_llm_requests_running", labels_of({"replica": "r"}))
    store = EmbeddedStore(tmp_path / "store")
    store.append([Sample(up, 1.0, AT), Sample(other, 2.5, AT)])
    store.append([Sample(up, float("nan"), AT + 15.0), Sample(other, 3.0, AT + 15.0)])
    file = tmp_path / "samples.om"
    write_samples(store, [up.name], AT - 1.0, AT + 60.0, file)
    store.close()
    assert file.read_text() == (f'tidegauge_target_up{{target="a\\"b"}} 1.0 {AT:.3f}\n# EOF\n'), (
        "no mark of an end, which text cannot say, and no series that nobody asked for"
    )


def test_rules_are_recorded_after_what_they_ask_for() -> None:
    first, second = {"record": "a:b:c", "expr": "up"}, {"record": "d:e:f", "expr": "a:b:c > 1"}
    assert list(passes([second, first])) == [[first], [second]]
    loop = {"record": "a:b:c", "expr": "d:e:f"}
    with pytest.raises(ConfigError, match="ask for each other: a:b:c, d:e:f"):
        list(passes([loop, second]))


def test_every_recording_rule_of_the_pack_finds_a_pass() -> None:
    rules = [rule for file in read_rules() for rule in file.rules if "record" in rule]
    assert sum(len(some) for some in passes(rules)) == len(rules)


def test_words_in_quotes_are_no_names() -> None:
    assert {"sum", "up"} <= names_in('sum(up{job="tidegauge_target_up"})')
    assert "tidegauge_target_up" not in names_in('sum(up{job="tidegauge_target_up"})')
