"""`xray train export`: write a model repository for another target."""

from pathlib import Path
from typing import Annotated

import typer

from services.cli.train.progress import reporting
from training.export.targets import REPOSITORY, EnginePrecision, Target

app = typer.Typer(add_completion=False)


@app.command()
def export(
    output: Annotated[Path, typer.Argument(help="Folder to write the model repository to.")],
    *,
    target: Annotated[Target, typer.Option(help="What will serve it.")],
    repository: Annotated[Path, typer.Option(help="Model repository to read.")] = REPOSITORY,
    precision: Annotated[EnginePrecision, typer.Option(help="Of the weights; fp16 is for tensorrt.")] = "fp32",
) -> None:
    """Write a model repository for another target; for tensorrt the plan is then built on the GPU (docs/export.md)."""
    with reporting("stopped; no incomplete version serves: run it again") as report:
        from training.export.retarget import retarget

        for version in retarget(repository, target, output, precision):
            difference = f"differs from 32 bits by {version.difference:.1e} on golden inputs"
            report.message(f"{version.model} {version.version}: {difference}")
        if target == "tensorrt":
            report.message("there is no plan yet: build it on the GPU that serves, see docs/export.md")


if __name__ == "__main__":
    app()
