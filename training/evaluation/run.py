"""The evaluation of a training run: its prediction files, and its figures as JSON and as a table.

There is one prediction file for each model and one for their consensus, on the run's test specimens.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final, Protocol, get_args

import numpy as np
from pydantic import BaseModel

from services.common.labels import LABEL_ORDER
from training.datasets.arrays import Input, known, scored
from training.datasets.recipe import Part
from training.datasets.store import SetFolder, Subset
from training.evaluation.evaluate import Consensus, EvaluatedBackbone, consensus
from training.evaluation.parquet import save
from training.markdown import number
from training.metrics.figures import BackboneMetrics
from training.metrics.predictions import Abnormality, Numbers, PredictionOrigin, Predictions

BEGIN: Final = "<!-- figures: written by services.cli.train.models -->"
END: Final = "<!-- end of figures -->"


class TrainingReport(BaseModel):
    """The figures of one training run. `test` has them for each backbone and for `consensus`, which makes the calls.

    `others` has the mean AUC of levels 1, 2 and 3 on further sets of specimens, by set and then as in `test`.
    """

    configuration: str
    specimens: dict[str, int]
    refused_by_intake: dict[str, int]
    training_digest: str
    epochs: dict[str, int]
    minutes: dict[str, float]
    test: dict[str, BackboneMetrics]
    others: dict[str, dict[str, tuple[float, float, float]]] = {}


def as_markdown(report: TrainingReport) -> str:
    """A table of AUC: one row per label, one column per backbone and one for their consensus."""
    names = list(report.test)
    first = report.test[names[0]]
    counts = ", ".join(f"{count} {part}" for part, count in report.specimens.items())
    lines = [
        f"Configuration `{report.configuration}`; specimens: {counts}; digest `{report.training_digest[:12]}`.",
        "",
        f"| AUC on {first.specimens} unseen simulated specimens ({first.abnormal} abnormal) | positives | "
        + " | ".join(names)
        + " |",
        "|---|---|" + "---|" * len(names),
        _row("**Level 1**, 95 % interval", first.abnormal, [_level1(report.test[name]) for name in names]),
        _row("**Level 2**, mean", "", [number(report.test[name].level2_mean_auc) for name in names]),
        _row("**Level 3**, mean", "", [number(report.test[name].level3_mean_auc) for name in names]),
    ]
    for index, label in enumerate(first.labels[1:], start=1):
        values = [number(report.test[name].labels[index].auc) for name in names]
        lines.append(_row(label.label, label.positives, values))
    for centre in first.level1_auc_by_centre:
        values = [number(report.test[name].level1_auc_by_centre[centre]) for name in names]
        lines.append(_row(f"Level 1, {centre} only", "", values))
    for other, by_name in report.others.items():
        values = [" / ".join(number(level) for level in by_name[name]) for name in names]
        lines.append(_row(f"Levels 1 / 2 / 3, {other} specimens", "", values))
    return "\n".join(lines) + "\n"


def update_page(path: Path, report: TrainingReport) -> None:
    """Replace the text between the two markers of a Markdown page; raises ValueError if they are missing."""
    text = path.read_text(encoding="utf-8")
    before, begin, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        msg = f"{path} has no markers for the figures: add {BEGIN} and {END}"
        raise ValueError(msg)
    path.write_text(f"{before}{BEGIN}\n\n{as_markdown(report)}\n{END}{after}", encoding="utf-8")


def _row(name: str, positives: int | str, values: list[str]) -> str:
    return f"| {name} | {positives} | " + " | ".join(values) + " |"


def _level1(figures: BackboneMetrics) -> str:
    low, high = figures.level1_interval
    return f"{figures.level1_auc:.3f} ({low:.3f} to {high:.3f})"


CONSENSUS: Final = "consensus"
UNSEEN: Final = "unseen"
BALANCED: Final = "balanced"
"""Names of the two sets judged in addition to the test part; `balanced` is also a folder of prediction files."""
_PARTS: Final[tuple[Part, ...]] = get_args(Part)


class RunConfiguration(Protocol):
    """What a prediction file records of a run's configuration (`training.train.configuration.Configuration`)."""

    @property
    def name(self) -> str:
        """Name of the configuration."""

    @property
    def input(self) -> Input:
        """Views that the models read."""

    @property
    def seed(self) -> int:
        """Seed of the run."""


def write_predictions(
    folder: Path,
    store: SetFolder,
    judged: Mapping[str, EvaluatedBackbone],
    configuration: RunConfiguration,
    unseen: SetFolder | None = None,
) -> list[Path]:
    """Write `predictions-NAME.parquet` for each backbone and for `consensus`, which pools all of them.

    `unseen` is a set of centres that are in no training set; its specimens are appended as part `unseen`, and `judged`
    must have their probabilities, in the order of `whole(unseen)`. Probabilities of the balanced part are written to
    files of the same names in the folder `balanced`: a second test set with its own report.
    """
    prevalence = training_prevalence(store.subset("train"))
    models: dict[str, EvaluatedBackbone | Consensus] = {**judged, CONSENSUS: consensus(list(judged.values()))}
    paths = []
    for name, one in models.items():
        origin = PredictionOrigin(
            model=name,
            config=configuration.name,
            input=configuration.input,
            seed=configuration.seed,
            thresholds=one.thresholds,
            training_prevalence=prevalence,
        )
        paths.append(folder / f"predictions-{name}.parquet")
        save(as_predictions(origin, one, store, unseen), paths[-1])
        if BALANCED in one.others:
            (folder / BALANCED).mkdir(exist_ok=True)
            balanced = _described(origin, store, store.subset("balanced"), *one.others[BALANCED])
            save(balanced, folder / BALANCED / paths[-1].name)
    return paths


def as_predictions(
    origin: PredictionOrigin, judged: EvaluatedBackbone | Consensus, store: SetFolder, unseen: SetFolder | None = None
) -> Predictions:
    """Probabilities with the truth of the store's test specimens, followed by all specimens of `unseen`."""
    test = _described(origin, store, store.subset("test"), judged.given_abnormal, judged.served)
    if unseen is None or UNSEEN not in judged.others:
        return test
    return _joined(test, _described(origin, unseen, whole(unseen), *judged.others[UNSEEN]))


def whole(store: SetFolder, which: Input = "MV") -> Subset:
    """All usable specimens of a set, whatever their part, with the views `which`."""
    parts = [store.subset(part) for part in _PARTS]
    return Subset(
        store.images,
        store.bones,
        np.concatenate([part.rows for part in parts]),
        np.concatenate([part.labels for part in parts]),
        tuple(centre for part in parts for centre in part.centres),
        which,
    )


def training_prevalence(train: Subset) -> dict[str, tuple[float | None, ...]]:
    """Share of positives of each of the 14 labels per centre; levels 2 and 3 among abnormal specimens, None without."""
    found: dict[str, tuple[float | None, ...]] = {}
    centres = np.array(train.centres)
    for centre in sorted(set(train.centres)):
        labels = train.labels[centres == centre]
        counted = scored(labels)
        columns = [labels[counted[:, column], column] for column in range(len(LABEL_ORDER))]
        found[centre] = tuple(float(values.mean()) if len(values) else None for values in columns)
    return found


def _described(
    origin: PredictionOrigin, store: SetFolder, subset: Subset, given_abnormal: Numbers, served: Numbers
) -> Predictions:
    names = {entry.index: entry.specimen for entry in store.entries()}
    findings = _findings(store, subset)
    return Predictions(
        origin=origin,
        specimens=tuple(names[row] for row in subset.rows.tolist()),
        centres=subset.centres,
        severity=_severity(findings),
        labels=subset.labels,
        known=known(subset.labels),
        given_abnormal=given_abnormal,
        served=served,
        findings=findings,
        unseen=np.full(len(subset), store.recipe.unseen),
    )


def _joined(first: Predictions, second: Predictions) -> Predictions:
    pairs = [(getattr(first, name), getattr(second, name)) for name in _ARRAYS]
    arrays = {name: np.concatenate(pair) for name, pair in zip(_ARRAYS, pairs, strict=True)}
    return Predictions(
        origin=first.origin,
        specimens=first.specimens + second.specimens,
        centres=first.centres + second.centres,
        findings=(first.findings or ()) + (second.findings or ()),
        **arrays,
    )


_ARRAYS: Final = ("severity", "labels", "known", "given_abnormal", "served", "unseen")


def _findings(store: SetFolder, subset: Subset) -> tuple[tuple[Abnormality, ...], ...]:
    specimens = [store.recipe.specimen(row) for row in subset.rows.tolist()]
    return tuple(tuple(Abnormality(one.kind, one.severity) for one in specimen.findings) for specimen in specimens)


def _severity(findings: Sequence[Sequence[Abnormality]]) -> Numbers:
    """Severity of each specimen's most severe finding [n]; nan without findings."""
    highest = [max((one.severity for one in each), default=np.nan) for each in findings]
    return np.array(highest, dtype=np.float64)
