"""`xray train`: label sets, datasets, models, evaluation."""

from collections.abc import Mapping
from typing import ClassVar, Final

import typer

from services.cli.groups import LazyCommand, LazyGroup
from services.common.environment import install_command

_COMMANDS: Final = {
    "labels": LazyCommand(
        "services.cli.train.labels:app", "Make a label set from observations of centres or of IMPC's Solr.", "Data"
    ),
    "collect": LazyCommand(
        "services.cli.train.collect:app",
        "Make a dataset from calls, labels and reviews, for training and evaluation.",
        "Data",
    ),
    "foreign": LazyCommand(
        "services.cli.train.foreign:app",
        "Make a test set of simulated mice with the bones of another skeleton.",
        "Data",
    ),
    "models": LazyCommand(
        "services.cli.train.models:app",
        "Make the training set, train both models, write Triton's repository.",
        "Models",
    ),
    "study": LazyCommand(
        "services.cli.train.experiments:study",
        "Train with several seeds and on single views, for the tables of the report.",
        "Models",
    ),
    "variants": LazyCommand(
        "services.cli.train.experiments:variants",
        "Measure the contribution of each step beyond the paper's protocol.",
        "Models",
    ),
    "combine": LazyCommand(
        "services.cli.train.experiments:combine", "Evaluate the paper's other methods of fusing the views.", "Models"
    ),
    "export": LazyCommand(
        "services.cli.train.models:export", "Write the model repository for another target.", "Models"
    ),
    "landmarks": LazyCommand(
        "services.cli.train.models:landmarks",
        "Compare the vertebrae that the models find with annotated ones.",
        "Models",
    ),
    "extend": LazyCommand(
        "services.cli.train.models:extend", "Give trained versions the outputs of the decision layer.", "Models"
    ),
    "refresh": LazyCommand(
        "services.cli.train.refresh:app",
        "Train the serving models further; promote only models proven no worse.",
        "Models",
    ),
    "strangers": LazyCommand(
        "services.cli.train.strangers:app",
        "Measure the calls of a repository on animals and pictures that no model learned.",
        "Models",
    ),
    "evaluate": LazyCommand("services.cli.train.evaluate:app", "Evaluate predictions on a test set.", "Models"),
}


class TrainGroup(LazyGroup):
    """The commands of `xray train`."""

    commands_to_load: ClassVar[Mapping[str, LazyCommand]] = _COMMANDS


app = typer.Typer(cls=TrainGroup, no_args_is_help=True, add_completion=False, rich_markup_mode="rich")


@app.callback(
    help="Make label sets, train models, evaluate them. "
    f"Needs the libraries that `{install_command('training')}` installs."
)
def train() -> None:
    """Do nothing before the command."""
