"""`xray train export`: a model repository for another target."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from services.cli.train.group import one_line_errors
from training.export.precision import EnginePrecision
from training.export.repository import REPOSITORY
from training.export.retarget import retarget
from training.export.targets import Target

app = typer.Typer(add_completion=False)
_console = Console(stderr=True)


@app.command()
def export(
    output: Annotated[Path, typer.Argument(help="Folder to write the model repository to.")],
    *,
    target: Annotated[Target, typer.Option(help="What is to serve it.")],
    repository: Annotated[Path, typer.Option(help="Model repository to read.")] = REPOSITORY,
    precision: Annotated[EnginePrecision, typer.Option(help="Of the weights; fp16 is for tensorrt.")] = "fp32",
) -> None:
    """Write a model repository for another target; for tensorrt the plan is then built on the GPU (docs/export.md)."""
    with one_line_errors(_console, "stopped; nothing half-written serves: run it again"):
        for written in retarget(repository, target, output, precision):
            _console.print(
                f"{written.model} {written.version}: differs from 32 bits by {written.difference:.1e} on golden inputs"
            )
    if target == "tensorrt":
        _console.print("no plan yet: build it on the GPU that serves, see docs/export.md")


if __name__ == "__main__":
    app()
