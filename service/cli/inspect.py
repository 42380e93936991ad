"""`tidegauge doctor` and `tidegauge config show`: what is seen, and what is configured."""

import dataclasses
import os
from typing import Annotated

import typer

from service.checks import Verdict
from service.cli.shared import (
    ConfigOption,
    Output,
    OutputOption,
    configuration,
    print_json,
    print_table,
)
from service.doctor import examine

config_app = typer.Typer(
    help="Look at the configuration.", no_args_is_help=True, rich_markup_mode=None
)


def register(app: typer.Typer) -> None:
    """Add the top-level commands of this file."""
    app.command()(doctor)


def doctor(
    scrape: Annotated[
        list[str] | None, typer.Option(help="Page to look at as well; repeatable.")
    ] = None,
    config: ConfigOption = None,
    output: OutputOption = Output.TABLE,
) -> None:
    """Say what Tidegauge can and cannot see here, and how to mend it. Exit code 1 when blind."""
    from service.assembly import pod_rules, reach_for, recogniser
    from service.execution.checks import execution_checks
    from service.otlp.forward import ForwardSettings
    from service.receivers import receivers_of

    effective = configuration(config, scrape=scrape or None)
    rules = pod_rules(effective.settings)
    onward = effective.part("otlp_forward", ForwardSettings)
    reach = reach_for(effective)
    told = receivers_of(effective)
    checks = list(examine(effective.settings, reach, recogniser(), rules, onward, told))
    checks += execution_checks(effective, os.environ)
    if output is Output.JSON:
        print_json([dataclasses.asdict(check) for check in checks])
    else:
        rows = [[c.verdict.value, c.name, c.what, c.mend] for c in checks]
        print_table("", ("VERDICT", "CHECK", "WHAT", "MEND"), rows)
    if any(check.verdict is Verdict.BLIND for check in checks):
        raise typer.Exit(1)


@config_app.command("show")
def config_show(config: ConfigOption = None, output: OutputOption = Output.TABLE) -> None:
    """Show every effective value and where it came from."""
    values = list(configuration(config).values())
    shown = [("***" if value.secret and value.value else value.value) for value in values]
    if output is Output.JSON:
        print_json({
            value.key: {"value": text, "source": value.source}
            for value, text in zip(values, shown, strict=True)
        })  # fmt: skip
        return
    rows = [
        [value.key, _plain(text), value.source, value.help]
        for value, text in zip(values, shown, strict=True)
    ]
    print_table("", ("KEY", "VALUE", "SOURCE", "MEANING"), rows)


def _plain(value: object) -> str:
    """A value for the table; what is not set becomes its dash."""
    if value is None:
        return ""
    return ", ".join(map(str, value)) if isinstance(value, tuple) else str(value)
