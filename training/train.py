"""Make the training set, train both backbones, judge them and write Triton's model repository.

    python -m training.train --config demo

Stopped at any point (Ctrl-C, a crash), the same command goes on where it ended. See docs/models.md.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Annotated, Final

import torch
import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from training.data.make import make_training_set, refusals
from training.data.recipe import Recipe
from training.data.store import SetFolder, Subset
from training.evaluation.evaluate import Judged, judge, judge_consensus
from training.evaluation.metrics import Figures
from training.evaluation.report import Report, as_markdown, put_into_page
from training.evaluation.run import write_predictions
from training.export.repository import REPOSITORY
from training.export.version import export_version
from training.fit.checkpoint import Epoch
from training.fit.hardware import Accelerator, Hardware
from training.fit.heap import keep_freed_memory
from training.fit.loop import Fit
from training.fit.plan import CONFIGURATIONS, Configuration
from training.models.build import BACKBONES, build_backbone
from training.models.serving import Serving

RUNS: Final = Path(__file__).parent / "runs"
PAGE: Final = Path(__file__).resolve().parents[1] / "docs" / "models.md"
INTERRUPTED: Final = 130

app = typer.Typer(add_completion=False)
_console = Console(stderr=True)


@dataclass
class Run:
    """One training run: where it lies and what has come out of it so far."""

    configuration: Configuration
    folder: Path
    repository: Path
    version: int
    hardware: Hardware = field(default_factory=Hardware)
    epochs: dict[str, int] = field(default_factory=dict)
    minutes: dict[str, float] = field(default_factory=dict)
    test: dict[str, Figures] = field(default_factory=dict)

    def make_data(self) -> SetFolder:
        """Make what the training set still misses."""
        started = time.monotonic()
        recipe = Recipe(specimens=self.configuration.specimens, first_seed=self.configuration.first_seed)
        columns = TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn()
        with Progress(*columns, console=_console) as progress:
            task = progress.add_task("simulating specimens", total=recipe.specimens)
            store = make_training_set(
                self.folder / "data", recipe, lambda done, _: progress.update(task, completed=done)
            )
        self.minutes["data"] = round((time.monotonic() - started) / 60, 1)
        return store

    def train(self, name: str, store: SetFolder) -> Judged:
        """Train, judge and export one backbone."""
        started = time.monotonic()
        train, validation, test = store.subset("train"), store.subset("validation"), store.subset("test")
        torch.manual_seed(self.configuration.seed)
        backbone = build_backbone(name, self.configuration.size)
        plan, seed = self.configuration.plan(name), self.configuration.seed
        fit = Fit(backbone, plan, train, validation, seed=seed, hardware=self.hardware)
        epochs = fit.run(self.folder / name, partial(_say_epoch, name), _console)
        judged = judge(backbone, validation, test)
        model = Serving(backbone, judged.calibration)
        difference = export_version(
            model,
            judged,
            test,
            name=name,
            version=self.version,
            configuration=self.configuration,
            training_digest=store.digest(),
            repository=self.repository,
        )
        self.epochs[name] = len(epochs)
        self.minutes[name] = round((time.monotonic() - started) / 60, 1)
        self.test[name] = judged.figures
        _console.print(f"{name}: exported, differs from ONNX Runtime by {difference:.1e}")
        return judged

    def report(self, store: SetFolder) -> Report:
        """Write `metrics.json` and `metrics.md` into the run's folder."""
        parts: dict[str, Subset] = {part: store.subset(part) for part in ("train", "validation", "test")}
        report = Report(
            configuration=self.configuration.name,
            specimens={part: len(subset) for part, subset in parts.items()},
            refused_by_intake=refusals(store),
            training_digest=store.digest(),
            epochs=self.epochs,
            minutes=self.minutes,
            test=self.test,
        )
        (self.folder / "metrics.json").write_text(report.model_dump_json(indent=2) + "\n", encoding="utf-8")
        (self.folder / "metrics.md").write_text(as_markdown(report), encoding="utf-8")
        return report


@app.command()
def train(
    *,
    config: Annotated[str, typer.Option(help=f"One of {', '.join(CONFIGURATIONS)}.")] = "demo",
    folder: Annotated[Path, typer.Option(help="Where runs and training sets lie.")] = RUNS,
    repository: Annotated[Path, typer.Option(help="Triton's model repository to write to.")] = REPOSITORY,
    version: Annotated[int, typer.Option(min=1, help="Version of both models to write or replace.")] = 1,
    threads: Annotated[int, typer.Option(min=1, help="Threads of torch.")] = 2,
    accelerator: Annotated[Accelerator, typer.Option(help="What trains; auto is a GPU if there is one.")] = "auto",
    devices: Annotated[int, typer.Option(min=1, help="How many of it; each takes a share of every batch.")] = 1,
    workers: Annotated[int, typer.Option(min=0, help="Processes that read batches ahead.")] = 0,
) -> None:
    """Make the training set, train both backbones, judge them and write Triton's model repository."""
    if config not in CONFIGURATIONS:
        msg = f"{config!r} is not one of {', '.join(CONFIGURATIONS)}"
        raise typer.BadParameter(msg, param_hint="--config")
    torch.set_num_threads(threads)
    keep_freed_memory()
    run = Run(CONFIGURATIONS[config], folder / config, repository, version, Hardware(accelerator, devices, workers))
    try:
        store = run.make_data()
        judged = [run.train(name, store) for name in BACKBONES]
        run.test["consensus"] = judge_consensus(judged, store.subset("test"))
        write_predictions(run.folder, store, dict(zip(BACKBONES, judged, strict=True)), run.configuration)
    except KeyboardInterrupt:
        _console.print("stopped; the same command goes on from here")
        raise typer.Exit(INTERRUPTED) from None
    report = run.report(store)
    if repository == REPOSITORY:
        put_into_page(PAGE, report)
    _console.print(as_markdown(report), markup=False)


def _say_epoch(name: str, number: int, epoch: Epoch) -> None:
    _console.print(
        f"{name} epoch {number}: training loss {epoch.train_loss:.4f}, validation loss {epoch.validation_loss:.4f}, "
        f"AUROC {' '.join(f'{value:.3f}' for value in epoch.auroc)}, {epoch.seconds:.0f} s"
    )


if __name__ == "__main__":
    app()
