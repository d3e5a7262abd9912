"""One training run: its data, its two backbones, and what they reach."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, Final, get_args

import torch
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from torch import nn

from services.common.errors import Rejected
from training.datasets.make import make_training_set, refusals
from training.datasets.manifest import write_manifest
from training.datasets.recipe import Part, Recipe
from training.datasets.resolution import at_side
from training.datasets.store import SetFolder, Subset
from training.evaluation.evaluate import EvaluatedBackbone, consensus, judge, judge_consensus
from training.evaluation.report import TrainingReport, as_markdown
from training.evaluation.run import BALANCED, UNSEEN, whole, write_predictions
from training.metrics.figures import BackboneMetrics, level_means
from training.models.build import BACKBONES, build_backbone
from training.train.checkpoint import FINAL, LAST, Epoch, features_of, path_of, read_weights, write_final
from training.train.hardware import Hardware
from training.train.heads import fit_heads
from training.train.loop import BackboneTraining
from training.train.plan import Configuration

UNSEEN_SPECIMENS: Final = 400
"""Simulated at centres that no training set has, to see how far the models carry."""
LEARNT: Final = ("train", "validation")
"""Parts that training reads; the others are for judging alone."""
OTHERS: Final = (BALANCED, UNSEEN)
"""Sets that are judged besides the test part."""


@dataclass(frozen=True)
class TrainingData:
    """Training, validation and test specimens, and those of unseen centres."""

    store: SetFolder
    unseen: SetFolder

    def subsets(self, configuration: Configuration) -> dict[str, Subset]:
        """Specimens by part, as a model sees them that reads the configuration's input."""
        which = configuration.input
        parts = {part: self.store.subset(part, which) for part in get_args(Part)}
        unseen = whole(self.unseen, which)
        finer = {part: at_side(subset, self.store, configuration.side) for part, subset in parts.items()}
        return {**finer, UNSEEN: at_side(unseen, self.unseen, configuration.side)}


def make_data(configuration: Configuration, runs: Path, console: Console) -> TrainingData:
    """Make what the two sets of a configuration, in the folder of all runs, still miss, and the manifest."""
    folder = configuration.data_folder(runs)
    data = TrainingData(
        _made(folder / "data", training_recipe(configuration), "simulating specimens", console),
        _made(folder / "data-unseen", unseen_recipe(configuration), "simulating unseen centres", console),
    )
    write_manifest(data.store, folder / "data" / "manifest.parquet")
    return data


def training_recipe(configuration: Configuration) -> Recipe:
    """Mice of the centres that the models learn from."""
    specimens, balanced = configuration.specimens, configuration.balanced
    return Recipe(specimens=specimens, balanced=balanced, first_seed=configuration.first_seed)


def unseen_recipe(configuration: Configuration) -> Recipe:
    """Mice of unseen centres, seeds behind those of the training set: of one seed they would be the same mice."""
    first_seed = configuration.first_seed + configuration.specimens
    return Recipe(specimens=UNSEEN_SPECIMENS, first_seed=first_seed, unseen=True)


def _made(folder: Path, recipe: Recipe, words: str, console: Console) -> SetFolder:
    columns = TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn()
    with Progress(*columns, console=console) as progress:
        task = progress.add_task(words, total=recipe.specimens)
        return make_training_set(folder, recipe, lambda done, _: progress.update(task, completed=done))


@dataclass
class TrainingRun:
    """Where a run lies and what has come out of it so far; it learns from a `share` of the training specimens.

    `runs` is the folder of all runs: the one that it goes on from lies there, wherever its own `folder` is.
    """

    configuration: Configuration
    folder: Path
    runs: Path
    hardware: Hardware = field(default_factory=Hardware)
    share: float = 1.0
    epochs: dict[str, int] = field(default_factory=dict)
    minutes: dict[str, float] = field(default_factory=dict)
    test: dict[str, BackboneMetrics] = field(default_factory=dict)

    def train(self, name: str, data: TrainingData, console: Console) -> tuple[nn.Module, EvaluatedBackbone]:
        """Train one backbone and then its heads anew, or go on with it, and judge it.

        Raises what `BackboneTraining.run` raises, and Rejected: `taken_weights` (these weights come from no training),
        `not_trained` (the run to go on from has no weights).
        """
        started = time.monotonic()
        parts = self._parts(data)
        backbone, epochs = self._fitted(name, parts, console)
        judged = judge(backbone, parts["validation"], parts["test"], {other: parts[other] for other in OTHERS})
        self.epochs[name] = epochs
        self.minutes[name] = round((time.monotonic() - started) / 60, 1)
        self.test[name] = judged.figures
        return backbone, judged

    def _parts(self, data: TrainingData) -> dict[str, Subset]:
        parts = data.subsets(self.configuration)
        return {part: subset.share(self.share) if part in LEARNT else subset for part, subset in parts.items()}

    def _fitted(self, name: str, parts: dict[str, Subset], console: Console) -> tuple[nn.Module, int]:
        folder, seed = self.folder / name, self.configuration.seed
        _refuse_taken(folder)
        torch.manual_seed(seed)
        backbone = build_backbone(name, self.configuration.size)
        fit = BackboneTraining(
            backbone,
            self.configuration.plan(name),
            parts["train"],
            parts["validation"],
            seed=seed,
            hardware=self.hardware,
        )
        if self.configuration.start:
            backbone.load_state_dict(self._trained(self.configuration.start, name))
        epochs = fit.run(folder, partial(_say_epoch, console, name), console)
        if path_of(folder, FINAL).exists():
            backbone.load_state_dict(read_weights(folder, FINAL))
            return backbone, len(epochs)
        train, validation = (features_of(backbone, parts[part]) for part in LEARNT)
        torch.manual_seed(seed)
        fresh, rules = build_backbone(name, self.configuration.size), self.configuration.plan(name).rules
        of_heads = fit_heads(backbone, fresh, train, validation, seed=seed, rules=rules)
        console.print(f"{name}: heads trained anew in {of_heads} epochs")
        write_final(folder, backbone)
        return backbone, len(epochs)

    def _trained(self, start: str, name: str) -> dict[str, Any]:
        earlier = self.runs / start / name
        if not path_of(earlier, FINAL).exists():
            words = (
                f"{self.configuration.name} goes on with {name} of {start}, of which {earlier} holds no weights: "
                f"first `xray train models --config {start}`"
            )
            raise Rejected("not_trained", words)
        return read_weights(earlier, FINAL)

    def conclude(self, data: TrainingData, judged: dict[str, EvaluatedBackbone]) -> TrainingReport:
        """Judge the consensus; write predictions, `metrics.json` and `metrics.md` into the run's folder."""
        parts = self._parts(data)
        together = consensus([judged[name] for name in BACKBONES])
        test = {**self.test, "consensus": judge_consensus(together, parts["test"])}
        write_predictions(self.folder, data.store, judged, self.configuration, data.unseen)
        served = {**{name: one.others for name, one in judged.items()}, "consensus": together.others}
        report = TrainingReport(
            configuration=self.configuration.name,
            specimens={part: len(subset) for part, subset in parts.items()},
            refused_by_intake=refusals(data.store),
            training_digest=data.store.digest(),
            epochs=self.epochs,
            minutes=self.minutes,
            test=test,
            others={
                other: {name: level_means(parts[other].labels, *one[other]) for name, one in served.items()}
                for other in OTHERS
            },
        )
        (self.folder / "metrics.json").write_text(report.model_dump_json(indent=2) + "\n", encoding="utf-8")
        (self.folder / "metrics.md").write_text(as_markdown(report), encoding="utf-8")
        return report


def _refuse_taken(folder: Path) -> None:
    """Refuse to train where weights lie that no training left: they would be taken for what it has learnt."""
    final = path_of(folder, FINAL)
    if final.exists() and not path_of(folder, LAST).exists():
        words = (
            f"{folder} holds weights that were taken from a model repository: train in another --folder, or remove "
            f"{final}"
        )
        raise Rejected("taken_weights", words)


def _say_epoch(console: Console, name: str, number: int, epoch: Epoch) -> None:
    console.print(
        f"{name} epoch {number}: training loss {epoch.train_loss:.4f}, validation loss {epoch.validation_loss:.4f}, "
        f"AUROC {' '.join(f'{value:.3f}' for value in epoch.auroc)}, {epoch.seconds:.0f} s",
        soft_wrap=True,
    )
