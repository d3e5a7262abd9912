"""Make the training set, train both backbones, judge them and write Triton's model repository.

    xray train models --config small

Stopped at any point (Ctrl-C, a crash), the same command goes on where it ended. See docs/models.md.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Final

import torch
import typer
from rich.console import Console

from services.cli.train.group import one_line_errors
from training.evaluation.evaluate import EvaluatedBackbone
from training.evaluation.report import as_markdown, put_into_page
from training.export.repository import REPOSITORY
from training.export.version import export_version, simulated
from training.models.build import BACKBONES
from training.models.serving import ServedBackbone
from training.train.hardware import Accelerator, Hardware, keep_freed_memory
from training.train.plan import CONFIGURATIONS, Configuration
from training.train.run import TrainingData, TrainingRun, make_data

RUNS: Final = Path(__file__).resolve().parents[3] / "training" / "runs"
PAGE: Final = Path(__file__).resolve().parents[3] / "docs" / "models.md"

app = typer.Typer(add_completion=False)
_console = Console(stderr=True)


@app.command()
def train(
    *,
    config: Annotated[str, typer.Option(help=f"One of {', '.join(CONFIGURATIONS)}.")] = "small",
    folder: Annotated[Path, typer.Option(help="Where runs and training sets lie.")] = RUNS,
    repository: Annotated[
        Path | None,
        typer.Option(
            help="Triton's model repository to write to.",
            show_default="model_repository; the run's own for a share, or with another's training set",
        ),
    ] = None,
    version: Annotated[int, typer.Option(min=1, help="Version of both models to write or replace.")] = 1,
    share: Annotated[
        float,
        typer.Option(min=0.01, max=1, help="Learn from this share of the specimens only: to see what more buy."),
    ] = 1.0,
    threads: Annotated[int, typer.Option(min=1, help="Threads of torch.")] = 2,
    accelerator: Annotated[Accelerator, typer.Option(help="What trains; auto is a GPU if there is one.")] = "auto",
    devices: Annotated[int, typer.Option(min=1, help="How many of it; each takes a share of every batch.")] = 1,
    workers: Annotated[int, typer.Option(min=0, help="Processes that read batches ahead.")] = 0,
) -> None:
    """Make the training set, train both backbones, judge them and write Triton's model repository."""
    configuration = known(config)
    torch.set_num_threads(threads)
    keep_freed_memory()
    own = folder / config if share == 1 else folder / config / f"share-{share:g}"
    run = TrainingRun(configuration, own, folder, Hardware(accelerator, devices, workers), share)
    served = share == 1 and configuration.served
    written = repository or (REPOSITORY if served else own / REPOSITORY.name)
    with one_line_errors(_console, "stopped; the same command goes on from here"):
        data = make_data(configuration, folder, _console)
        judged = {name: _train_and_export(run, name, data, written, version) for name in BACKBONES}
        report = run.conclude(data, judged)
    if written == REPOSITORY:
        put_into_page(PAGE, report)
    _console.print(as_markdown(report), markup=False)


def known(config: str) -> Configuration:
    """The configuration of that name; raises BadParameter for another."""
    if config not in CONFIGURATIONS:
        msg = f"{config!r} is not one of {', '.join(CONFIGURATIONS)}"
        raise typer.BadParameter(msg, param_hint="--config")
    return CONFIGURATIONS[config]


def _train_and_export(
    run: TrainingRun, name: str, data: TrainingData, repository: Path, version: int
) -> EvaluatedBackbone:
    backbone, judged = run.train(name, data, _console)
    difference = export_version(
        ServedBackbone(backbone, judged.calibration),
        judged,
        data.subsets(run.configuration)["test"],
        name=name,
        version=version,
        configuration=run.configuration,
        origin=simulated(name, run.configuration, judged, data.store.digest(), share=run.share),
        repository=repository,
    )
    _console.print(f"{name}: exported, differs from ONNX Runtime by {difference:.1e}")
    return judged


if __name__ == "__main__":
    app()
