"""`tidegauge rules`: alert rules and runbooks out of alert_rules/."""

from pathlib import Path
from typing import Annotated

import typer

from service.cli.shared import Output, OutputOption, print_json, print_table
from vocabulary.errors import ConfigError

app = typer.Typer(
    help="Build and check the alert rules.", no_args_is_help=True, rich_markup_mode=None
)


@app.command()
def build(
    output_dir: Annotated[Path, typer.Option(help="Folder to write into.")] = Path("build/rules"),
    runbook_base: Annotated[
        str, typer.Option(help="URL of the folder that serves the runbooks.")
    ] = "",
    label: Annotated[
        list[str] | None,
        typer.Option(help="NAME=VALUE for the PrometheusRule, so that your operator selects it."),
    ] = None,
    namespace: Annotated[str, typer.Option(help="Namespace of the PrometheusRule.")] = "",
    threshold: Annotated[
        list[str] | None, typer.Option(help="NAME=NUMBER: change a threshold; repeatable.")
    ] = None,
) -> None:
    """Write raw rules, a PrometheusRule and the runbooks."""
    from service import rules

    files = rules.with_thresholds(rules.read_rules(), _pairs(threshold, "--threshold"))
    wanted = rules.prometheus_rule(
        files, runbook_base, namespace=namespace, labels=_pairs(label, "--label")
    )
    texts = {
        "tidegauge.rules.yaml": rules.as_yaml(rules.raw_rules(files, runbook_base)),
        "tidegauge.prometheusrule.yaml": rules.as_yaml(wanted),
    }
    written = rules.write(output_dir, texts)
    written += rules.write(output_dir / "runbooks", rules.runbooks(files))
    for path in written:
        typer.echo(f"wrote {path}")


@app.command()
def check(output: OutputOption = Output.TABLE) -> None:
    """Name everything that breaks a convention. Exit code 1 when something does."""
    from service import rules

    problems = rules.check(rules.read_rules())
    if output is Output.JSON:
        print_json(problems)
    elif problems:
        print_table("", ("PROBLEM",), [[problem] for problem in problems])
    else:
        typer.echo("All rules keep the conventions.")
    if problems:
        raise typer.Exit(1)


def _pairs(entries: list[str] | None, flag: str) -> dict[str, str]:
    found = {}
    for entry in entries or []:
        name, separator, value = entry.partition("=")
        if not separator or not name:
            raise ConfigError(f"{flag} {entry!r}: write NAME=VALUE")
        found[name] = value
    return found
