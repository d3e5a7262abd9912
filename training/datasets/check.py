"""Checks that a folder's training set is intact, before its files are opened or extended."""

import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np

from services.common.errors import Rejected
from services.common.labels import LABEL_ORDER
from training.datasets.recipe import Recipe
from training.datasets.store import LINES, RECIPE, SetFolder, array_shapes

_ADVICE = "restore the file, or remove the folder and make the set again"


def check_folder(folder: Path, recipe: Recipe) -> None:
    """Raise Rejected for the first fault in this recipe's set, complete or not; an empty folder is valid.

    Reasons: `missing_file`, `wrong_array_shape`, `unreadable_line`, `label_not_binary`.
    """
    claimed = folder / RECIPE
    if not claimed.exists() or json.loads(claimed.read_text(encoding="utf-8")) != recipe.as_dict():
        return
    lines = folder / LINES
    content = lines.read_text(encoding="utf-8").splitlines(keepends=True) if lines.exists() else []
    # A line that a crash cut short is ignored: its specimen is made again.
    done = [line for line in content if line.endswith("\n")]
    for number, line in enumerate(done, 1):
        _check_labels(lines, number, line)
    if not done:
        return
    for name, shape in array_shapes(recipe).items():
        path = folder / name
        if not path.exists():
            raise Rejected("missing_file", f"{path} is missing, but {LINES} lists {len(done)} specimens: {_ADVICE}")
        found = np.load(path, mmap_mode="r").shape
        if found != shape:
            message = f"{path} has the shape {list(found)}, the recipe's is {list(shape)}: {_ADVICE}"
            raise Rejected("wrong_array_shape", message, found=list(found), expected=list(shape))


def check_tensors(store: SetFolder) -> None:
    """Raise Rejected `tensor_differs` if a tensor does not have the digest in its line; reads all tensors."""
    for entry in store.entries():
        if entry.digest and hashlib.sha256(store.images[entry.index].tobytes()).hexdigest() != entry.digest:
            message = f"the tensor of specimen {entry.specimen} (row {entry.index}) is not the original one: {_ADVICE}"
            raise Rejected("tensor_differs", message, specimen=entry.specimen, row=entry.index)


def _check_labels(path: Path, number: int, line: str) -> None:
    try:
        item: dict[str, Any] = json.loads(line)
        labels, specimen = item["labels"], item["specimen"]
    except (ValueError, TypeError, KeyError) as error:
        message = f"line {number} of {path} is not a specimen ({error!r}): remove the line to make the specimen again"
        raise Rejected("unreadable_line", message, line=number) from error
    wrong = [label for label, value in zip(LABEL_ORDER, labels, strict=False) if value not in (0, 1)]
    if wrong or len(labels) != len(LABEL_ORDER):
        fault = f"{wrong[0]} is {labels[LABEL_ORDER.index(wrong[0])]}" if wrong else f"{len(labels)} labels"
        message = f"specimen {specimen} in line {number} of {path}: {fault}, expected {len(LABEL_ORDER)} of 0 or 1"
        raise Rejected("label_not_binary", message, specimen=specimen, line=number)
