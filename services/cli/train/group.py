"""`xray train`: label sets, models, evaluation.

How the commands of `xray train` end when they cannot go on, also when run as `python -m`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import ClassVar, Final

import typer
from rich.console import Console
from rich.markup import escape

from services.cli.groups import LazyCommand, LazyGroup
from services.common.errors import Fatal, Rejected

INTERRUPTED: Final = 130
FAILED: Final = 1


@contextmanager
def one_line_errors(console: Console, when_stopped: str) -> Iterator[None]:
    """Turn Ctrl-C, bad input, a training gone wrong and the file system's errors into one line and an exit code."""
    try:
        yield
    except KeyboardInterrupt:
        console.print(when_stopped)
        raise typer.Exit(INTERRUPTED) from None
    except Rejected as error:
        console.print(f"[red]error[/red] {escape(error.message)} \\[{error.reason}]", soft_wrap=True)
        raise typer.Exit(FAILED) from None
    except (Fatal, OSError) as error:
        console.print(f"[red]error[/red] {escape(str(error))}", soft_wrap=True)
        raise typer.Exit(FAILED) from None


_COMMANDS: Final = {
    "labels": LazyCommand(
        "services.cli.train.labels:app", "Make a label set from observations of centres or of IMPC's Solr.", "Data"
    ),
    "collect": LazyCommand(
        "services.cli.train.collect:app",
        "Make a dataset from calls, labels and reviews, to train and judge on.",
        "Data",
    ),
    "models": LazyCommand(
        "services.cli.train.models:app",
        "Make the training set, train both models, write Triton's repository.",
        "Models",
    ),
    "study": LazyCommand(
        "services.cli.train.study:app", "Train on several seeds and on single views, for the tables.", "Models"
    ),
    "variants": LazyCommand(
        "services.cli.train.variants:app", "Show what each step beyond the paper's protocol is worth.", "Models"
    ),
    "combine": LazyCommand(
        "services.cli.train.combine:app", "Judge the paper's other ways of combining the views.", "Models"
    ),
    "export": LazyCommand("services.cli.train.export:app", "Write the model repository for another target.", "Models"),
    "refresh": LazyCommand(
        "services.cli.train.refresh:app", "Train on from what serves; promote what is shown not to be worse.", "Models"
    ),
    "evaluate": LazyCommand("services.cli.train.evaluate:app", "Judge predictions on a test set.", "Models"),
}


class TrainGroup(LazyGroup):
    """The commands of `xray train`."""

    commands_to_load: ClassVar[Mapping[str, LazyCommand]] = _COMMANDS


app = typer.Typer(cls=TrainGroup, no_args_is_help=True, add_completion=False, rich_markup_mode="rich")


@app.callback()
def train() -> None:
    """Make label sets, train models, judge them. Needs the training extra: `make setup-dev`."""
