"""The options of `tidegauge drill`: what each is called and says of itself."""

from pathlib import Path
from typing import Annotated

import typer

Faults = Annotated[
    str, typer.Option(help="Only these faults: codes or words, with commas; `none` for none.")
]
Benign = Annotated[
    bool, typer.Option("--benign", help="Only look-alikes and calm: nobody may be told.")
]
Seeds = Annotated[
    str, typer.Option(help="How many (3), a range (11-20) or a list (7,9); one for --replay.")
]
Clusters = Annotated[
    str,
    typer.Option(help="Which simulated clusters, with commas: demo, held-out, hosted, spare."),
]
Alternate = Annotated[
    bool, typer.Option("--alternate", help="Each seed on one of the clusters, in turn.")
]
CalmHours = Annotated[float, typer.Option(min=0, help="Hours of calm for each seed.")]
Overlaps = Annotated[bool, typer.Option("--overlaps", help="Pairs of troubles too.")]
Hardships = Annotated[
    str,
    typer.Option(
        help="Once more while this befalls us, with commas: gap, agent-restart, "
        "server-restart, late-samples; one for --replay."
    ),
]
Rules = Annotated[
    bool, typer.Option("--rules", help="Score the alert rules by a real Prometheus instead.")
]
Programs = Annotated[
    Path | None,
    typer.Option(help="Folder with prometheus and promtool for --rules; else those on the PATH."),
]
Scenarios = Annotated[
    list[Path] | None, typer.Option(help="Drill this scenario file (repeatable) instead.")
]
Replay = Annotated[
    str | None,
    typer.Option(help="Show one case in the console: F01, `F27 during B03`, or a scenario's."),
]
Results = Annotated[
    Path | None, typer.Option(help="Folder to keep results in; goes on where it stopped.")
]
Score = Annotated[Path | None, typer.Option(help="Write the score into this file.")]
Baseline = Annotated[
    Path | None, typer.Option(help="Compare with this score; exit 1 only when worse.")
]
Workers = Annotated[int, typer.Option(min=0, help="Cases at once; 0: one a core.")]
ForSeconds = Annotated[
    float | None, typer.Option("--for", min=1, help="End a replay after this many seconds.")
]
NoConsole = Annotated[bool, typer.Option("--no-console", help="Replay without the console.")]
Preview = Annotated[
    bool, typer.Option("--preview", help="Only how busy a scenario's pools are, no fault.")
]
List = Annotated[bool, typer.Option("--list", help="List what can be injected.")]
