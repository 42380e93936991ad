"""`tidegauge usage`: what was used, by whom, at what price."""

import typer

app = typer.Typer(help="Totals of metered usage.", no_args_is_help=True, rich_markup_mode=None)
