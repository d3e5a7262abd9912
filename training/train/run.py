"""One training run: its data, its backbones and their evaluation."""

import time
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, Final, get_args

import torch
from torch import nn

from services.common.errors import Rejected
from training.datasets.arrays import Input
from training.datasets.make import make_training_set, refusals
from training.datasets.manifest import write_manifest
from training.datasets.recipe import Part, Recipe
from training.datasets.store import SetFolder, Subset, at_side
from training.evaluation.evaluate import EvaluatedBackbone, consensus, judge, judge_consensus
from training.evaluation.run import BALANCED, UNSEEN, TrainingReport, as_markdown, whole, write_predictions
from training.metrics.figures import BackboneMetrics, level_means
from training.models.multiview.backbone import MultiviewBackbone
from training.models.registry import BACKBONES, build_backbone, find_backbone
from training.models.spec import BackbonePlan
from training.train.checkpoint import FINAL, LAST, Epoch, path_of, read_weights, write_final
from training.train.configuration import STREAM_SEED, Configuration
from training.train.hardware import Hardware
from training.train.heads import Features, features_of, fit_heads
from training.train.loop import SILENT, BackboneTraining, ProgressReporter
from training.train.stream.simulated import simulator
from training.train.stream.specimens import draw_set, stored_set
from training.train.stream.training import Stream, StreamTraining

UNSEEN_SPECIMENS: Final = 400
"""Number of specimens simulated at centres that no training set has, to measure how well the models transfer."""
STREAM_VALIDATION: Final = 320
"""Number of fixed specimens, drawn like those of the stream, on which each epoch of a streamed training is measured."""
LEARNT: Final = ("train", "validation")
"""Parts that training reads; the others serve evaluation only."""
OTHERS: Final = (BALANCED, UNSEEN)
"""Sets that are evaluated in addition to the test part."""


@dataclass(frozen=True)
class TrainingData:
    """Training, validation and test specimens, and those of unseen centres, as tensors of `side` pixels."""

    store: SetFolder
    unseen: SetFolder
    side: int

    def subsets(self, which: Input) -> dict[str, Subset]:
        """Return the specimens by part, as seen by a model that reads `which` views."""
        parts = {part: self.store.subset(part, which) for part in get_args(Part)}
        at_own_side = {part: at_side(subset, self.store, self.side) for part, subset in parts.items()}
        return {**at_own_side, UNSEEN: at_side(whole(self.unseen, which), self.unseen, self.side)}


def training_recipe(configuration: Configuration) -> Recipe:
    """Mice of the centres that the models are trained on."""
    specimens, balanced = configuration.specimens, configuration.balanced
    return Recipe(
        specimens=specimens,
        balanced=balanced,
        first_seed=configuration.first_seed,
        population=configuration.population,
    )


def unseen_recipe(configuration: Configuration) -> Recipe:
    """Mice of unseen centres; their seeds follow those of the training set, because equal seeds give equal mice."""
    first_seed = configuration.first_seed + configuration.specimens
    return Recipe(specimens=UNSEEN_SPECIMENS, first_seed=first_seed, unseen=True, population=configuration.population)


@dataclass
class TrainingRun:
    """A training run in `folder`, and its results so far; it trains on a `share` of the training specimens.

    `budget_minutes` limits the time in which each backbone of a streamed configuration learns.

    `runs` is the folder of all runs. The run's training set is below it, and the run whose models are trained further,
    wherever `folder` is.
    """

    configuration: Configuration
    folder: Path
    runs: Path
    hardware: Hardware = field(default_factory=Hardware)
    share: float = 1.0
    report: ProgressReporter = SILENT
    budget_minutes: float | None = None
    epochs: dict[str, int] = field(default_factory=dict)
    minutes: dict[str, float] = field(default_factory=dict)
    test: dict[str, BackboneMetrics] = field(default_factory=dict)

    def make_data(self) -> TrainingData:
        """Create what is missing of the configuration's two sets, and the manifest of the training set."""
        folder = self.configuration.data_folder(self.runs)
        store = self._make_set(folder / "data", training_recipe(self.configuration), "simulating specimens")
        unseen = self._make_set(folder / "data-unseen", unseen_recipe(self.configuration), "simulating unseen centres")
        write_manifest(store, folder / "data" / "manifest.parquet")
        return TrainingData(store, unseen, self.configuration.side)

    def _make_set(self, folder: Path, recipe: Recipe, what: str) -> SetFolder:
        return make_training_set(folder, recipe, partial(self.report.progress, what))

    def plan(self, name: str) -> BackbonePlan:
        """Return the training plan of a backbone; raises Fatal if it has none for this configuration."""
        return find_backbone(name).plan(self.configuration.name)

    def new_backbone(self, name: str) -> nn.Module:
        """Return a backbone with the initial weights that `torch`'s seed gives."""
        return build_backbone(name, self.configuration.size)

    def trained_backbone(self, name: str) -> nn.Module:
        """Return the run's trained backbone; raises FileNotFoundError if it has none."""
        backbone = self.new_backbone(name)
        backbone.load_state_dict(read_weights(self.folder / name, FINAL))
        return backbone

    def trained_multiview(self, name: str) -> MultiviewBackbone:
        """Return the run's trained backbone of a streamed configuration.

        Raises Rejected `not_trained` if it has no weights.
        """
        if not path_of(self.folder / name, FINAL).exists():
            message = f"{self.folder / name} holds no weights: `xray train models --config {self.configuration.name}`"
            raise Rejected("not_trained", message)
        backbone = self.trained_backbone(name)
        if not isinstance(backbone, MultiviewBackbone):
            msg = f"{name} of {self.configuration.name} is not a multiview backbone"
            raise TypeError(msg)
        return backbone

    def train(self, name: str, data: TrainingData) -> tuple[nn.Module, EvaluatedBackbone]:
        """Train one backbone, or resume its training, then retrain its heads and evaluate it.

        Raises the errors of `BackboneTraining.run`, and Rejected: `taken_weights` (the weights in the folder come from
        a model repository), `not_trained` (the run to start from has no weights).
        """
        started = time.monotonic()
        parts = self._parts(data)
        backbone, epochs = self._fit(name, parts)
        judged = judge(backbone, parts["validation"], parts["test"], {other: parts[other] for other in OTHERS})
        self.epochs[name] = epochs
        self.minutes[name] = round((time.monotonic() - started) / 60, 1)
        self.test[name] = judged.figures
        return backbone, judged

    def _parts(self, data: TrainingData) -> dict[str, Subset]:
        parts = data.subsets(self.configuration.input)
        return {part: subset.share(self.share) if part in LEARNT else subset for part, subset in parts.items()}

    def _fit(self, name: str, parts: dict[str, Subset]) -> tuple[nn.Module, int]:
        """Train one backbone and its heads; returns it with the number of epochs."""
        folder, seed, plan = self.folder / name, self.configuration.seed, self.plan(name)
        _check_trained_here(folder)
        torch.manual_seed(seed)
        backbone = self.new_backbone(name)
        if self.configuration.start:
            backbone.load_state_dict(self._weights_to_start_from(name))
        if self.configuration.streamed:
            return backbone, self._fit_on_stream(name, backbone)
        train, validation = (parts[part] for part in LEARNT)
        training = BackboneTraining(backbone, plan, train, validation, seed=seed, hardware=self.hardware)
        epochs = training.run(folder, partial(_report_epoch, self.report, name), self.report.progress)
        if path_of(folder, FINAL).exists():
            backbone.load_state_dict(read_weights(folder, FINAL))
            return backbone, len(epochs)
        head_epochs = self._fit_heads(name, backbone, features_of(backbone, train), features_of(backbone, validation))
        self.report.message(f"{name}: heads retrained in {head_epochs} epochs")
        write_final(folder, backbone)
        return backbone, len(epochs)

    def _fit_on_stream(self, name: str, backbone: Any) -> int:
        """Train one backbone on drawn specimens; returns the number of epochs."""
        configuration, folder = self.configuration, self.folder / name
        draw = simulator(configuration.population, configuration.side)
        validation = stored_set(
            self.folder / "stream-validation.pt",
            lambda: draw_set(
                draw,
                STREAM_SEED - STREAM_VALIDATION,
                STREAM_VALIDATION,
                workers=self.hardware.workers,
                on_drawn=partial(self.report.progress, "drawing specimens to validate on"),
            ),
        )
        stream = Stream(draw, STREAM_SEED, f"{configuration.population} {configuration.side}", validation)
        training = StreamTraining(
            backbone, self.plan(name), stream, configuration.seed, self.budget_minutes, self.hardware
        )
        epochs = training.run(folder, partial(_report_epoch, self.report, name), self.report.progress)
        write_final(folder, backbone)
        return len(epochs)

    def _fit_heads(self, name: str, backbone: nn.Module, train: Features, validation: Features) -> int:
        torch.manual_seed(self.configuration.seed)
        fresh = self.new_backbone(name)
        return fit_heads(backbone, fresh, train, validation, seed=self.configuration.seed, rules=self.plan(name).rules)

    def _weights_to_start_from(self, name: str) -> dict[str, Any]:
        start = self.configuration.start
        earlier = self.runs / start / name
        if not path_of(earlier, FINAL).exists():
            message = (
                f"{self.configuration.name} trains {name} of {start} further, but {earlier} holds no weights: "
                f"first `xray train models --config {start}`"
            )
            raise Rejected("not_trained", message)
        return read_weights(earlier, FINAL)

    def write_predictions(self, data: TrainingData, judged: dict[str, EvaluatedBackbone]) -> None:
        """Write the predictions of each backbone and of the consensus into the run's folder."""
        self.folder.mkdir(parents=True, exist_ok=True)
        write_predictions(self.folder, data.store, judged, self.configuration, data.unseen)

    def write_report(self, data: TrainingData, judged: dict[str, EvaluatedBackbone]) -> TrainingReport:
        """Evaluate the consensus; write predictions, `metrics.json` and `metrics.md` into the run's folder."""
        parts = self._parts(data)
        together = consensus([judged[name] for name in BACKBONES])
        test = {**self.test, "consensus": judge_consensus(together, parts["test"])}
        self.write_predictions(data, judged)
        others = {**{name: one.others for name, one in judged.items()}, "consensus": together.others}
        report = TrainingReport(
            configuration=self.configuration.name,
            specimens={part: len(subset) for part, subset in parts.items()},
            refused_by_intake=refusals(data.store),
            training_digest=data.store.digest(),
            epochs=self.epochs,
            minutes=self.minutes,
            test=test,
            others={
                other: {name: level_means(parts[other].labels, *one[other]) for name, one in others.items()}
                for other in OTHERS
            },
        )
        (self.folder / "metrics.json").write_text(report.model_dump_json(indent=2) + "\n", encoding="utf-8")
        (self.folder / "metrics.md").write_text(as_markdown(report), encoding="utf-8")
        return report


def _check_trained_here(folder: Path) -> None:
    """Raise Rejected if the folder holds weights without a training: they would pass for the result of this run."""
    final = path_of(folder, FINAL)
    if final.exists() and not path_of(folder, LAST).exists():
        message = (
            f"{folder} holds weights that were taken from a model repository: train in another --folder, or remove "
            f"{final}"
        )
        raise Rejected("taken_weights", message)


def _report_epoch(report: ProgressReporter, name: str, number: int, epoch: Epoch) -> None:
    report.message(f"{name} epoch {number}: {epoch}")
