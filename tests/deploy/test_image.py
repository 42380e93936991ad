"""The container image's recipe: pinned, two stages, nobody's root, and no file left behind."""

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
DOCKERFILE = (ROOT / "deploy" / "Dockerfile").read_text()
IGNORED = (ROOT / "deploy" / "Dockerfile.dockerignore").read_text()
LAST_STAGE = DOCKERFILE[DOCKERFILE.rindex("\nFROM ") :]


def test_the_last_stage_holds_what_is_built_and_no_build_tool() -> None:
    assert len(re.findall(r"^FROM ", DOCKERFILE, re.MULTILINE)) == 2
    assert "COPY --from=build /opt/tidegauge /opt/tidegauge" in LAST_STAGE
    assert not re.search(r"pip|uv |apt|curl|COPY \.", LAST_STAGE)


def test_it_runs_as_the_user_the_chart_says() -> None:
    pods = (ROOT / "deploy/chart/tidegauge/templates/_pods.tpl").read_text()
    assert "USER 10001:10001" in LAST_STAGE
    assert "runAsUser: 10001" in pods


def test_every_requirement_is_taken_by_its_hash() -> None:
    installs = re.findall(r"pip install[^&]*", DOCKERFILE.replace("\\\n", " "))
    assert installs
    for line in installs:
        assert "--require-hashes" in line or "--no-deps" in line, line
    for name in set(re.findall(r"requirements/\w+\.txt", DOCKERFILE)):
        assert "--hash=sha256:" in (ROOT / name).read_text()


def test_every_room_that_the_wheel_holds_comes_into_the_build() -> None:
    wheel = re.search(r"packages = \[([^\]]*)\]", (ROOT / "pyproject.toml").read_text())
    assert wheel
    for room in re.findall(r'"(\w+)"', wheel.group(1)):
        assert f"!{room}\n" in IGNORED
    for name in re.findall(r"^!(.+)$", IGNORED, re.MULTILINE):
        assert (ROOT / name).exists(), name


def test_ports_and_entry_are_those_of_the_program() -> None:
    assert "EXPOSE 8780 4317 9478 8501" in LAST_STAGE
    assert 'ENTRYPOINT ["tidegauge"]' in LAST_STAGE
    assert 'tidegauge = "service.cli:main"' in (ROOT / "pyproject.toml").read_text()
