"""The page for who decides says what the program does."""

import dataclasses
import re
from pathlib import Path

from execution_site import CARDS, Site
from incident_scenes import incident_about, rollout

from service.execution import guards
from service.execution.settings import ExecutionSettings
from vocabulary.entities import ReplicaState

ROOT = Path(__file__).parents[3]
PAGE = (ROOT / "docs" / "execution.md").read_text(encoding="utf-8")


def test_every_setting_and_every_guard_is_on_the_page() -> None:
    names = [item.name for item in dataclasses.fields(ExecutionSettings)]
    missing = [name for name in (*names, *(name for name, _ in guards.GUARDS))
               if f"`{name}`" not in PAGE and f"  {name}:" not in PAGE]  # fmt: skip
    assert not missing


def test_every_card_with_an_executor_is_listed_with_its_class(site: Site) -> None:
    site.world.set_state(site.pool[0].entity, ReplicaState.IDLE)
    listed = {}
    for line in PAGE.splitlines():
        cells = [cell.strip() for cell in line.split("|")]
        if len(cells) > 3 and cells[2].startswith("R"):
            listed.update(dict.fromkeys(cells[2].split(", "), cells[1].strip("`")))
    found = {}
    for number, card in CARDS.items():
        for mode in card.answers:
            incident = incident_about(mode, site.pool[0].entity, changes=(rollout(),))
            action = card.propose(incident, site.world.scene())
            if action is not None and action.call is not None:
                found[number] = action.call.group.value
    assert found == listed


def test_nothing_else_in_the_program_can_write_to_a_cluster() -> None:
    rooms = [path.parent for path in ROOT.glob("*/__init__.py") if path.parent.name != "tests"]
    sources = [path for room in rooms for path in room.rglob("*.py")]
    own = {path for path in sources if path.parent.name == "execution"}
    assert len(own) >= 10
    for path in sources:
        text = path.read_text(encoding="utf-8")
        if path.parent == ROOT / "service" / "kubernetes":
            assert not re.search(r"[\"'](POST|PUT|PATCH|DELETE)[\"']", text), path
        if path not in own:
            assert "execution.cluster" not in text, path
            assert "KubernetesApi" not in text, path
