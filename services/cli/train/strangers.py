"""Measure the calls of a model repository on strangers.

    xray train strangers own shifts improper --out docs/results/strangers.csv

See docs/evaluation.md.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Final

import typer

from services.cli.train.models import PAGE, RunsOption
from services.cli.train.progress import reporting
from training.export.targets import REPOSITORY
from training.population import Population
from training.train.configuration import RUNS

HELP: Final = """Measure how the calls of a model repository hold on animals and pictures that no model learned.

Each GROUP is one group of rows of the table, by default all that need no other data: own (the simulator's holdout),
members (the set against its best member), prevalence (calibration and predictive value at 3.05 %), shifts (benign
changes), improper (no mouse in its place), evidence (bone evidence set to its mean), foreign (with --foreign) and
radiographs (with --radiographs).

The table of FILE keeps the rows of groups that are not measured again. Specimens and outputs are kept in the folder of
runs, so a stopped command continues.

Example: xray train strangers own foreign --foreign foreign-set --out docs/results/strangers.csv
"""

PAGE_OF_TABLE: Final = PAGE.with_name("evaluation.md")


app = typer.Typer(add_completion=False)


@app.command(help=HELP)
def strangers(
    groups: Annotated[list[str] | None, typer.Argument(metavar="GROUP...", help="Groups of rows.")] = None,
    *,
    out: Annotated[Path, typer.Option("--out", metavar="FILE", help="CSV to write.")],
    repository: Annotated[Path, typer.Option(help="Model repository to measure.")] = REPOSITORY,
    specimens: Annotated[int, typer.Option(min=20, help="Specimens of the holdout; the table has 2,000.")] = 2000,
    shifted: Annotated[int, typer.Option(min=10, help="Specimens per shift.")] = 200,
    population: Annotated[Population, typer.Option(help="Population of the simulator.")] = "wide",
    foreign: Annotated[Path | None, typer.Option(metavar="FOLDER", file_okay=False, help="A foreign set.")] = None,
    radiographs: Annotated[
        Path | None, typer.Option(metavar="FOLDER", exists=True, file_okay=False, help="Real dorsoventral pictures.")
    ] = None,
    page: Annotated[bool, typer.Option("--page", help="Also write the table into docs/evaluation.md.")] = False,
    folder: RunsOption = RUNS,
) -> None:
    """Measure the groups and write the table."""
    with reporting("stopped; the same command continues") as report:
        from services.common.atomic import replace
        from training.strangers.rows import GROUPS, Study, measure
        from training.strangers.systems import read_set
        from training.strangers.table import as_csv, as_markdown, merged, read_csv, update_page

        study = Study(
            served=read_set(repository),
            repository=repository,
            cache=folder / "strangers",
            specimens=specimens,
            shifted=shifted,
            population=population,
            foreign=foreign,
            radiographs=radiographs,
            on_progress=report.progress,
        )
        chosen = groups or [group for group in GROUPS if study.has_data(group)]
        rows = read_csv(out)
        for new in measure(study, chosen):
            rows = merged(rows, new)
            out.parent.mkdir(parents=True, exist_ok=True)
            replace(out, as_csv(rows).encode())
            report.message(as_markdown(new))
        if page:
            update_page(PAGE_OF_TABLE, rows)


if __name__ == "__main__":
    app()
