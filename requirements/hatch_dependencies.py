"""Read the application's dependency ranges from requirements/app.in, their only home."""

from pathlib import Path
from typing import Any

from hatchling.metadata.plugin.interface import MetadataHookInterface


class RequirementsHook(MetadataHookInterface):
    """Give the wheel the ranges of agent.in and app.in; build tools of the list stay out."""

    def update(self, metadata: dict[str, Any]) -> None:
        folder = Path(self.root) / "requirements"
        lines = (folder / "agent.in").read_text() + (folder / "app.in").read_text()
        metadata["dependencies"] = [
            line.strip()
            for line in lines.splitlines()
            if line.strip() and not line.startswith(("-", "#", "hatchling", "editables"))
        ]
