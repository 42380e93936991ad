"""What `tidegauge drill --rules` tells: the score of every alert rule, as a table or as JSON."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import typer

from service.cli.shared import Output, print_json, print_table


def tell_rules(
    records: Sequence[Mapping[str, Any]], run: Mapping[str, str], score: Path | None, output: Output
) -> None:
    """Print and keep the score of *records*; exit 1 when a rule was silent, late or loud."""
    from service.drill.result import write_result
    from service.drill.rule_score import COLUMNS, fell_short, rule_result, rule_table

    found = rule_result(records, **run)
    if score is not None:
        write_result(score, found)
    if output is Output.JSON:
        print_json({**found, "records": records})
    else:
        print_table("Alert rules, worst first", COLUMNS, rule_table(found["rules"]))
    if fell_short(found["rules"]):
        raise typer.Exit(1)
