"""Leave one centre out: each specimen is called by heads that never learnt from its centre.

The body has seen all centres of the training set; specimens of centres that nothing has seen are the set `unseen`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np
import torch
from numpy.typing import NDArray
from rich.console import Console
from torch import Tensor

from training.datasets.store import Subset
from training.evaluation.evaluate import judge_logits
from training.evaluation.parquet import save
from training.evaluation.run import as_predictions
from training.experiments.seeds import features_by_part, with_new_heads
from training.metrics.predictions import PredictionOrigin
from training.models.build import BACKBONES
from training.train.checkpoint import logits_of
from training.train.heads import Features
from training.train.run import LEARNT, TrainingData, TrainingRun

_JUDGED = ("validation", "test")


def study_centres(run: TrainingRun, data: TrainingData, console: Console) -> None:
    """Write predictions of each backbone into `study/centre-left-out`, for the run's own seed and input."""
    folder = run.folder / "study" / "centre-left-out"
    folder.mkdir(parents=True, exist_ok=True)
    parts = {part: subset for part, subset in data.subsets(run.configuration).items() if part in {*LEARNT, *_JUDGED}}
    for name in BACKBONES:
        model = f"{name}-centre-left-out"
        path = folder / f"predictions-{model}.parquet"
        if path.exists():
            continue
        features = features_by_part(run, name, run.configuration.input, parts, console)
        logits = {part: torch.zeros(parts[part].labels.shape) for part in _JUDGED}
        for centre, of_centre in _left_out(run, name, features, parts):
            console.print(f"{name}: without {centre}")
            for part in _JUDGED:
                logits[part][torch.from_numpy(_at(parts[part], centre))] = of_centre[part]
        judged = judge_logits(logits["validation"], logits["test"], parts["validation"], parts["test"])
        origin = PredictionOrigin(
            model=model,
            config=run.configuration.name,
            input=run.configuration.input,
            seed=run.configuration.seed,
            thresholds=judged.thresholds,
            training_prevalence={},
            baseline=True,
        )
        save(as_predictions(origin, judged, data.store), path)


def _left_out(
    run: TrainingRun, name: str, features: Mapping[str, Features], parts: Mapping[str, Subset]
) -> Iterator[tuple[str, dict[str, Tensor]]]:
    """Each centre with the logits [its specimens, 14] of its validation and test specimens."""
    for centre in sorted({*parts["validation"].centres, *parts["test"].centres}):
        train, validation = (_chosen(features[part], ~_at(parts[part], centre)) for part in LEARNT)
        backbone = with_new_heads(run, name, train, validation, seed=run.configuration.seed)
        yield centre, {part: logits_of(backbone, _chosen(features[part], _at(parts[part], centre))) for part in _JUDGED}


def _at(subset: Subset, centre: str) -> NDArray[np.bool_]:
    found: NDArray[np.bool_] = np.array(subset.centres) == centre
    return found


def _chosen(features: Features, rows: NDArray[np.bool_]) -> Features:
    return Features(features.values[rows], features.labels[rows])
