"""`tidegauge rules`: alert rules and runbooks out of alert_rules/."""

from pathlib import Path
from typing import Annotated

import typer

from service.cli.shared import Output, OutputOption, print_json, print_table

app = typer.Typer(
    help="Build and check the alert rules.", no_args_is_help=True, rich_markup_mode=None
)
