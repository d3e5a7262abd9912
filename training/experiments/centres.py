"""Leave one centre out: heads that were never trained on a specimen's centre predict it.

The body has seen all centres of the training set. Specimens of centres that no part of the network has seen are the set
`unseen`.
"""

from collections.abc import Iterator, Mapping

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from training.datasets.store import Subset
from training.evaluation.evaluate import judge_logits
from training.evaluation.parquet import save
from training.evaluation.run import as_predictions
from training.experiments.seeds import features_by_part, with_retrained_heads
from training.metrics.predictions import PredictionOrigin
from training.models.registry import BACKBONES
from training.train.heads import Features, logits_of
from training.train.run import LEARNT, TrainingData, TrainingRun

_EVALUATED = ("validation", "test")


def study_centres(run: TrainingRun, data: TrainingData) -> None:
    """Write the predictions of each backbone into `study/centre-left-out`, for the run's own seed and input."""
    folder = run.folder / "study" / "centre-left-out"
    folder.mkdir(parents=True, exist_ok=True)
    which = run.configuration.input
    parts = {part: subset for part, subset in data.subsets(which).items() if part in {*LEARNT, *_EVALUATED}}
    for name in BACKBONES:
        model = f"{name}-centre-left-out"
        path = folder / f"predictions-{model}.parquet"
        if path.exists():
            continue
        logits = _left_out_logits(run, name, features_by_part(run, name, which, parts), parts)
        judged = judge_logits(logits["validation"], logits["test"], parts["validation"], parts["test"])
        origin = PredictionOrigin(
            model=model,
            config=run.configuration.name,
            input=which,
            seed=run.configuration.seed,
            thresholds=judged.thresholds,
            training_prevalence={},
            baseline=True,
        )
        save(as_predictions(origin, judged, data.store), path)


def _left_out_logits(
    run: TrainingRun, name: str, features: Mapping[str, Features], parts: Mapping[str, Subset]
) -> dict[str, Tensor]:
    """Return the logits [n, 14] of the validation and test specimens, each from heads without its centre."""
    logits = {part: torch.zeros(parts[part].labels.shape) for part in _EVALUATED}
    for centre, own in _without_each_centre(run, name, features, parts):
        run.report.message(f"{name}: without {centre}")
        for part in _EVALUATED:
            logits[part][torch.from_numpy(_at(parts[part], centre))] = own[part]
    return logits


def _without_each_centre(
    run: TrainingRun, name: str, features: Mapping[str, Features], parts: Mapping[str, Subset]
) -> Iterator[tuple[str, dict[str, Tensor]]]:
    """Yield each centre with the logits [its specimens, 14] of its validation and test specimens."""
    for centre in sorted({*parts["validation"].centres, *parts["test"].centres}):
        train, validation = (_select(features[part], ~_at(parts[part], centre)) for part in LEARNT)
        backbone = with_retrained_heads(run, name, train, validation, seed=run.configuration.seed)
        own = {part: _select(features[part], _at(parts[part], centre)) for part in _EVALUATED}
        yield centre, {part: logits_of(backbone, each) for part, each in own.items()}


def _at(subset: Subset, centre: str) -> NDArray[np.bool_]:
    rows: NDArray[np.bool_] = np.array(subset.centres) == centre
    return rows


def _select(features: Features, rows: NDArray[np.bool_]) -> Features:
    return Features(features.values[rows], features.labels[rows])
