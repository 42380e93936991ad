"""`tidegauge rules`: alert rules and runbooks out of alert_rules/."""

import typer

app = typer.Typer(
    help="Build and check the alert rules.", no_args_is_help=True, rich_markup_mode=None
)
