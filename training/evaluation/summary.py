"""AUC per label and level over several seeds (`auc.csv`), and the paper's values to compare with.

The paper's AUC on IMPC's images (Jawaid et al., J. Imaging 2025, 11(10), 348) are in the data file `paper.csv`.
"""

import csv
import io
import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Final

import numpy as np

from services.common.errors import Rejected
from services.common.labels import LABEL_ORDER
from training.metrics.predictions import Numbers, Predictions
from training.metrics.ranking import LEVEL_COLUMNS, Counts, auc_or_nan, percentile_interval, resampled_auc

FILE: Final = "paper.csv"
MEAN: Final = "mean"
"""Name of a level's mean over its labels."""


def paper_auc(model: str, views: str, level: int, label: str) -> float | None:
    """The paper's AUC, mean over five seeds; None if it is not printed.

    `views` is DV, LAT or MV; `label` is one of `LABEL_ORDER` or `mean`. A mean that is not printed is computed from the
    printed labels (nine of level 3's ten: the tables omit Fusion).
    """
    printed = _table().get((model, views, level), {})
    if label == MEAN and MEAN not in printed and printed:
        return float(np.mean(list(printed.values())))
    return printed.get(label)


@cache
def _table() -> dict[tuple[str, str, int], dict[str, float]]:
    text = resources.files(__package__).joinpath(FILE).read_text(encoding="utf-8")
    table: dict[tuple[str, str, int], dict[str, float]] = {}
    for row in csv.DictReader(text.splitlines()):
        key = row["model"], row["input"], int(row["level"])
        table.setdefault(key, {})[row["label"]] = float(row["auc"])
    return table


HEADER: Final = ("model", "config", "input", "level", "label", "auc_mean", "auc_sd", "seeds", "specimens")
_INPUT_ORDER: Final = ("MV", "DV", "LAT")


@dataclass(frozen=True)
class Group:
    """Runs of one model, configuration and input, by seed."""

    model: str
    config: str
    input: str
    runs: tuple[Predictions, ...]

    @property
    def name(self) -> str:
        """Display name, such as `convnext small MV`."""
        return f"{self.model} {self.config} {self.input}"


@dataclass(frozen=True)
class AucRow:
    """One label, or a level's `mean`.

    `per_seed` has the AUC of each seed; `low` and `high` are the 95 % bootstrap interval, over specimens, of their
    mean. `specimens` is the number scored (levels 2 and 3: abnormal ones with a known label).
    """

    level: int
    label: str
    per_seed: tuple[float, ...]
    low: float
    high: float
    specimens: int

    @property
    def auc_mean(self) -> float:
        """Mean over the seeds."""
        return float(np.mean(self.per_seed))

    @property
    def auc_sd(self) -> float:
        """Standard deviation over the seeds (n - 1); nan for a single seed."""
        return float(np.std(self.per_seed, ddof=1)) if len(self.per_seed) > 1 else math.nan


def group(predictions: Sequence[Predictions]) -> list[Group]:
    """Group runs by model, configuration and input, each sorted by seed.

    All must cover the same specimens with the same truth: a report is about one test set. Raises Rejected
    `same_run_twice` or `different_test_sets`.
    """
    _require_one_test_set(predictions)
    grouped: dict[tuple[str, str, str], dict[int, Predictions]] = {}
    for item in predictions:
        origin = item.origin
        seeds = grouped.setdefault((origin.model, origin.config, origin.input), {})
        if origin.seed in seeds:
            message = f"two files hold {origin.model} {origin.config} {origin.input}, seed {origin.seed}"
            raise Rejected("same_run_twice", message)
        seeds[origin.seed] = item
    keys = sorted(grouped, key=lambda key: (key[1], _INPUT_ORDER.index(key[2]), key[0]))
    return [Group(*key, runs=tuple(grouped[key][seed] for seed in sorted(grouped[key]))) for key in keys]


def auc_rows(group: Group, counts: Counts) -> list[AucRow]:
    """Rows of every label, each level followed by its mean; `counts` come from `resample`, the same for all groups."""
    rows: list[AucRow] = []
    for level, columns in LEVEL_COLUMNS.items():
        found = [_label_row(group, level, column, counts) for column in columns]
        per_seed = np.mean([row.per_seed for row, _ in found], axis=0)
        interval = percentile_interval(math.nan, np.mean([values for _, values in found], axis=0))
        scored = np.any([group.runs[0].scored(column) for column in columns], axis=0)
        rows += [row for row, _ in found]
        rows.append(AucRow(level, MEAN, tuple(per_seed.tolist()), interval.low, interval.high, int(scored.sum())))
    return rows


def as_csv(rows: Sequence[tuple[Group, Sequence[AucRow]]]) -> str:
    """The rows of all groups with the columns of `HEADER`; `auc_sd` is nan for a single seed."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(HEADER)
    for group, found in rows:
        for row in found:
            figures = f"{row.auc_mean:.4f}", f"{row.auc_sd:.4f}", len(row.per_seed), row.specimens
            writer.writerow((group.model, group.config, group.input, row.level, row.label, *figures))
    return text.getvalue()


def _label_row(group: Group, level: int, column: int, counts: Counts) -> tuple[AucRow, Numbers]:
    """The row of one label, and its mean over seeds in each bootstrap sample."""
    scored = group.runs[0].scored(column)
    truth = group.runs[0].labels[scored, column]
    scores = [run.scores(column)[scored] for run in group.runs]
    values = np.mean([resampled_auc(truth, one, counts[:, scored]) for one in scores], axis=0)
    per_seed = tuple(auc_or_nan(truth, one) for one in scores)
    interval = percentile_interval(math.nan, values)
    row = AucRow(level, LABEL_ORDER[column], per_seed, interval.low, interval.high, int(scored.sum()))
    return row, values


def _require_one_test_set(predictions: Sequence[Predictions]) -> None:
    first = predictions[0]
    truth = np.where(first.known, first.labels, 2)
    for other in predictions[1:]:
        same = other.specimens == first.specimens and other.centres == first.centres
        if not same or not np.array_equal(np.where(other.known, other.labels, 2), truth):
            names = " and ".join(
                f"{one.origin.model} {one.origin.input} seed {one.origin.seed}" for one in (first, other)
            )
            message = f"{names} do not cover the same specimens, centres and labels; write one report per test set"
            raise Rejected("different_test_sets", message)
