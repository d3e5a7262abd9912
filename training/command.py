"""`xray train`: label sets, models, evaluation."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar, Final

import typer

from services.cli.lazy import LazyCommand, LazyGroup

_COMMANDS: Final = {
    "labels": LazyCommand(
        "training.labels.command:app", "Make a label set from observations of centres or of IMPC's Solr.", "Data"
    ),
    "collect": LazyCommand(
        "training.collect.command:app", "Make a dataset from calls, labels and reviews, to train and judge on.", "Data"
    ),
    "models": LazyCommand(
        "training.train:app", "Make the training set, train both models, write Triton's repository.", "Models"
    ),
    "study": LazyCommand(
        "training.studies.command:app", "Train on several seeds and on single views, for the tables.", "Models"
    ),
    "variants": LazyCommand(
        "training.studies.variants_command:app", "Show what each step beyond the paper's protocol is worth.", "Models"
    ),
    "combine": LazyCommand(
        "training.combination.command:app", "Judge the paper's other ways of combining the views.", "Models"
    ),
    "export": LazyCommand("training.export.command:app", "Write the model repository for another target.", "Models"),
    "refresh": LazyCommand(
        "training.refresh.command:app", "Train on from what serves; promote what is shown not to be worse.", "Models"
    ),
    "evaluate": LazyCommand("training.evaluation.command:app", "Judge predictions on a test set.", "Models"),
}


class TrainGroup(LazyGroup):
    """The commands of `xray train`."""

    commands_to_load: ClassVar[Mapping[str, LazyCommand]] = _COMMANDS


app = typer.Typer(cls=TrainGroup, no_args_is_help=True, add_completion=False, rich_markup_mode="rich")


@app.callback()
def train() -> None:
    """Make label sets, train models, judge them. Needs the training extra: `make setup-dev`."""
