"""Judge the paper's other ways of combining the views on a training set.

    xray train combine RUN/data --out FOLDER

See docs/evaluation.md.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Annotated

import numpy as np
import torch
import typer
from numpy.typing import NDArray
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from torch import Tensor

from services.cli.train.group import one_line_errors
from services.common.errors import Rejected
from training.datasets.recipe import Recipe
from training.datasets.store import SetFolder, Subset
from training.evaluation.evaluate import judge_logits
from training.evaluation.parquet import save
from training.evaluation.run import as_predictions, training_prevalence
from training.experiments.view_fusion import (
    METHODS,
    UNCOMBINED,
    FrozenFeatures,
    LabelRegressions,
    combined_features,
    left_out_logits,
)
from training.metrics.predictions import PredictionOrigin, Predictions

HELP = """Judge the paper's other ways of combining the views on a training set.

DATA is the training set of a run (RUN/data). For each way (averaging, min-max
projection, principal components, gradients, and the bare channels) the combined
pictures go through the frozen front end and a logistic regression a label.
FOLDER gets predictions-NAME.parquet of each, for xray train evaluate.

Example: xray train combine training/runs/small/data --out training/runs/combined
"""

Parts = tuple[Subset, Subset, Subset]
"""Train, validation, test."""
Features = NDArray[np.float32]
Prevalence = dict[str, tuple[float | None, ...]]

app = typer.Typer(add_completion=False)
_console = Console(stderr=True, highlight=False)


@app.command(help=HELP)
def combine(
    data: Annotated[Path, typer.Argument(metavar="DATA", exists=True, file_okay=False, help="A training set.")],
    *,
    out: Annotated[Path, typer.Option("--out", metavar="FOLDER", help="Where to write; made when it is not there.")],
    config: Annotated[
        str, typer.Option(metavar="NAME", help="Runs of one NAME share a table of the report.")
    ] = "small",
) -> None:
    """Compute features, fit, judge and write the predictions of each way."""
    with one_line_errors(_console, "stopped; the same command starts again."):
        for path in make(data, out, config):
            _console.print(f"wrote {escape(str(path))}", soft_wrap=True)


def make(data: Path, out: Path, config: str) -> list[Path]:
    """Write predictions of every way; raises Rejected(no_training_set)."""
    recipe = data / "recipe.json"
    if not recipe.exists():
        raise Rejected("no_training_set", f"{data} holds no training set")
    store = SetFolder(data, Recipe(**json.loads(recipe.read_text(encoding="utf-8"))))
    parts = store.subset("train"), store.subset("validation"), store.subset("test")
    network, paths = FrozenFeatures(), []
    out.mkdir(parents=True, exist_ok=True)
    columns = TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn()
    with Progress(*columns, console=_console) as progress:
        for name, method in METHODS.items():
            task = progress.add_task(name, total=sum(map(len, parts)))
            tell = partial(progress.advance, task)
            features = [combined_features(network, part, method, tell) for part in parts]
            for predictions in _judged(store, parts, features, name, config):
                paths.append(out / f"predictions-{predictions.origin.model}.parquet")
                save(predictions, paths[-1])
    return paths


def _judged(
    store: SetFolder, parts: Parts, features: Sequence[Features], name: str, config: str
) -> Iterator[Predictions]:
    """Predictions by all training specimens and, where nothing is combined, by those of other centres alone."""
    train = parts[0]
    model = LabelRegressions(features[0], train.labels)
    logits = [torch.from_numpy(model.logits(one)) for one in features[1:]]
    yield _predictions(store, logits, name, config, training_prevalence(train))
    if name == UNCOMBINED:
        pairs = list(zip(features, parts, strict=True))
        logits = [torch.from_numpy(left_out_logits(pairs[0], pair)) for pair in pairs[1:]]
        yield _predictions(store, logits, f"{name}-centre-left-out", config, {})


def _predictions(
    store: SetFolder, logits: Sequence[Tensor], name: str, config: str, prevalence: Prevalence
) -> Predictions:
    judged = judge_logits(logits[0], logits[1], store.subset("validation"), store.subset("test"))
    origin = PredictionOrigin(
        model=name,
        config=config,
        input="MV",
        seed=1,
        thresholds=judged.thresholds,
        training_prevalence=prevalence,
        baseline=True,
    )
    return as_predictions(origin, judged, store)


if __name__ == "__main__":
    app()
