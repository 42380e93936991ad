"""The command line as a shell sees it."""

from tests.service.cli.conftest import run

__all__ = ["run"]
