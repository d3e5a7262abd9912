"""One training run: its data, its two backbones, and what they reach."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Final

import torch
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from torch import nn

from training.data.make import make_training_set, refusals
from training.data.manifest import write_manifest
from training.data.recipe import Recipe
from training.data.store import SetFolder, Subset
from training.evaluation.evaluate import Judged, judge, judge_consensus
from training.evaluation.metrics import Figures
from training.evaluation.report import Report, as_markdown
from training.evaluation.run import whole, write_predictions
from training.fit.checkpoint import Epoch
from training.fit.hardware import Hardware
from training.fit.loop import Fit
from training.fit.plan import Configuration
from training.models.build import BACKBONES, build_backbone

UNSEEN_SPECIMENS: Final = 400
"""Simulated at centres that no training set has, to see how far the models carry."""


@dataclass(frozen=True)
class Data:
    """Training, validation and test specimens, and those of unseen centres."""

    store: SetFolder
    unseen: SetFolder

    def subsets(self, configuration: Configuration) -> dict[str, Subset]:
        """Specimens by part, as a model sees them that reads the configuration's input."""
        which = configuration.input
        return {
            "train": self.store.subset("train", which),
            "validation": self.store.subset("validation", which),
            "test": self.store.subset("test", which),
            "unseen": whole(self.unseen, which),
        }


def make_data(configuration: Configuration, folder: Path, console: Console) -> Data:
    """Make what the two sets in `folder` still miss, and the training set's manifest."""
    recipe = Recipe(specimens=configuration.specimens, first_seed=configuration.first_seed)
    unseen = Recipe(specimens=UNSEEN_SPECIMENS, first_seed=configuration.first_seed, unseen=True)
    data = Data(
        _made(folder / "data", recipe, "simulating specimens", console),
        _made(folder / "data-unseen", unseen, "simulating unseen centres", console),
    )
    write_manifest(data.store, folder / "data" / "manifest.parquet")
    return data


def _made(folder: Path, recipe: Recipe, words: str, console: Console) -> SetFolder:
    columns = TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn()
    with Progress(*columns, console=console) as progress:
        task = progress.add_task(words, total=recipe.specimens)
        return make_training_set(folder, recipe, lambda done, _: progress.update(task, completed=done))


@dataclass
class Run:
    """Where a run lies and what has come out of it so far."""

    configuration: Configuration
    folder: Path
    hardware: Hardware = field(default_factory=Hardware)
    epochs: dict[str, int] = field(default_factory=dict)
    minutes: dict[str, float] = field(default_factory=dict)
    test: dict[str, Figures] = field(default_factory=dict)

    def train(self, name: str, data: Data, console: Console) -> tuple[nn.Module, Judged]:
        """Train one backbone, or go on with it, and judge it."""
        started = time.monotonic()
        parts = data.subsets(self.configuration)
        torch.manual_seed(self.configuration.seed)
        backbone = build_backbone(name, self.configuration.size)
        plan, seed = self.configuration.plan(name), self.configuration.seed
        fit = Fit(backbone, plan, parts["train"], parts["validation"], seed=seed, hardware=self.hardware)
        epochs = fit.run(self.folder / name, partial(_say_epoch, console, name), console)
        judged = judge(backbone, parts["validation"], parts["test"], parts["unseen"])
        self.epochs[name] = len(epochs)
        self.minutes[name] = round((time.monotonic() - started) / 60, 1)
        self.test[name] = judged.figures
        return backbone, judged

    def conclude(self, data: Data, judged: dict[str, Judged]) -> Report:
        """Judge the consensus; write predictions, `metrics.json` and `metrics.md` into the run's folder."""
        parts = data.subsets(self.configuration)
        self.test["consensus"] = judge_consensus([judged[name] for name in BACKBONES], parts["test"])
        write_predictions(self.folder, data.store, judged, self.configuration, data.unseen)
        report = Report(
            configuration=self.configuration.name,
            specimens={part: len(subset) for part, subset in parts.items()},
            refused_by_intake=refusals(data.store),
            training_digest=data.store.digest(),
            epochs=self.epochs,
            minutes=self.minutes,
            test=self.test,
        )
        (self.folder / "metrics.json").write_text(report.model_dump_json(indent=2) + "\n", encoding="utf-8")
        (self.folder / "metrics.md").write_text(as_markdown(report), encoding="utf-8")
        return report


def _say_epoch(console: Console, name: str, number: int, epoch: Epoch) -> None:
    console.print(
        f"{name} epoch {number}: training loss {epoch.train_loss:.4f}, validation loss {epoch.validation_loss:.4f}, "
        f"AUROC {' '.join(f'{value:.3f}' for value in epoch.auroc)}, {epoch.seconds:.0f} s",
        soft_wrap=True,
    )
