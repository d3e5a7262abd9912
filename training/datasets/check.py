"""Whether a folder holds the training set that it says it does; asked before anything opens or makes its files."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np

from services.common.errors import Rejected
from services.common.labels import LABEL_ORDER
from training.datasets.recipe import Recipe
from training.datasets.store import LINES, RECIPE, SetFolder, array_shapes

_MEND = "put the file back, or remove the folder and make the set again"


def check_folder(folder: Path, recipe: Recipe) -> None:
    """Raise Rejected on the first fault of this recipe's set, partly or wholly made; an empty folder is sound.

    Reasons: `missing_file`, `wrong_array_shape`, `unreadable_line`, `label_not_binary`.
    """
    claimed = folder / RECIPE
    if not claimed.exists() or json.loads(claimed.read_text(encoding="utf-8")) != recipe.as_dict():
        return
    lines = folder / LINES
    content = lines.read_text(encoding="utf-8").splitlines(keepends=True) if lines.exists() else []
    # A line cut short by a crash is made again.
    done = [line for line in content if line.endswith("\n")]
    for number, line in enumerate(done, 1):
        _check_labels(lines, number, line)
    if not done:
        return
    for name, shape in array_shapes(recipe).items():
        path = folder / name
        if not path.exists():
            raise Rejected("missing_file", f"{path} is missing, but {LINES} lists {len(done)} specimens: {_MEND}")
        found = np.load(path, mmap_mode="r").shape
        if found != shape:
            words = f"{path} has the shape {list(found)}, the recipe's is {list(shape)}: {_MEND}"
            raise Rejected("wrong_array_shape", words, found=list(found), expected=list(shape))


def check_tensors(store: SetFolder) -> None:
    """Raise Rejected `tensor_differs` if a tensor is not the one that its line names; reads all of them."""
    for entry in store.entries():
        if entry.digest and hashlib.sha256(store.images[entry.index].tobytes()).hexdigest() != entry.digest:
            words = f"the tensor of specimen {entry.specimen} (row {entry.index}) is not the one that was made: {_MEND}"
            raise Rejected("tensor_differs", words, specimen=entry.specimen, row=entry.index)


def _check_labels(path: Path, number: int, line: str) -> None:
    try:
        item: dict[str, Any] = json.loads(line)
        labels, specimen = item["labels"], item["specimen"]
    except (ValueError, TypeError, KeyError) as error:
        words = f"line {number} of {path} is not a specimen ({error!r}): remove the line, its specimen is made again"
        raise Rejected("unreadable_line", words, line=number) from error
    wrong = [label for label, value in zip(LABEL_ORDER, labels, strict=False) if value not in (0, 1)]
    if wrong or len(labels) != len(LABEL_ORDER):
        what = f"{wrong[0]} is {labels[LABEL_ORDER.index(wrong[0])]}" if wrong else f"{len(labels)} labels"
        words = f"specimen {specimen} in line {number} of {path}: {what}, wanted are {len(LABEL_ORDER)} of 0 or 1"
        raise Rejected("label_not_binary", words, specimen=specimen, line=number)
