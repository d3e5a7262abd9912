"""The paper's AUC on IMPC's images (Jawaid et al., J. Imaging 2025, 11(10), 348), from the data file `paper.csv`."""

from __future__ import annotations

import csv
from functools import cache
from importlib import resources
from typing import Final

import numpy as np

FILE: Final = "paper.csv"
MEAN: Final = "mean"
"""Name of a level's mean over its labels."""


def paper_auc(model: str, views: str, level: int, label: str) -> float | None:
    """The paper's AUC, mean over five seeds, or None where it prints none.

    `views` is DV, LAT or MV; `label` is one of `LABEL_ORDER` or `mean`. A mean that is not printed is taken over the
    labels that are (nine of level 3's ten: the tables leave out Fusion).
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
