import hashlib
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from services.common.errors import Rejected
from training.datasets.check import check_folder, check_tensors
from training.datasets.recipe import Recipe
from training.datasets.store import SetFolder, SpecimenArrays, StoredSpecimen
from training.simulation.bone_truth import CHANNELS, SIDE

RECIPE = Recipe(specimens=3, first_seed=5)


def _made(folder: Path) -> SetFolder:
    store = SetFolder(folder, RECIPE)
    for index in range(2):
        tensor = np.full((224, 224, 3), index + 1, dtype=np.uint8)
        digest = hashlib.sha256(tensor.tobytes()).hexdigest()
        views, bones = np.zeros((2, 448, 448), np.uint8), np.zeros((2, len(CHANNELS), SIDE, SIDE), np.uint8)
        store.add(
            StoredSpecimen(index, f"mouse-{index}", "JAX", (0,) * 14, digest), SpecimenArrays(tensor, views, bones)
        )
    return store


def _line(folder: Path, change: Callable[[dict[str, object]], object]) -> None:
    path = folder / "specimens.jsonl"
    first, *others = path.read_text().splitlines()
    item = json.loads(first)
    change(item)
    path.write_text("\n".join([json.dumps(item), *others]) + "\n")


def _spoil_line(folder: Path) -> None:
    path = folder / "specimens.jsonl"
    path.write_text("half a line\n" + path.read_text())


FAULTS: dict[str, tuple[str, Callable[[Path], object], str]] = {
    "file away": ("missing_file", lambda f: (f / "bones.npy").unlink(), "bones.npy is missing"),
    "other shape": (
        "wrong_array_shape",
        lambda f: np.save(f / "images.npy", np.zeros((3, 8, 8, 3), np.uint8)),
        r"has the shape \[3, 8, 8, 3\]",
    ),
    "NaN": ("label_not_binary", lambda f: _line(f, lambda i: i.update(labels=[float("nan")] * 14)), "Abnormal is nan"),
    "null": (
        "label_not_binary",
        lambda f: _line(f, lambda i: i.update(labels=[0, None] + [0] * 12)),
        "Ribcage is None",
    ),
    "few labels": ("label_not_binary", lambda f: _line(f, lambda i: i.update(labels=[0])), "1 labels"),
    "no JSON": ("unreadable_line", _spoil_line, "line 1 of"),
    "no labels": ("unreadable_line", lambda f: _line(f, lambda i: i.pop("labels")), "is not a specimen"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_damaged_set_is_refused_before_its_files_are_opened(fault: str, tmp_path: Path) -> None:
    reason, spoil, message = FAULTS[fault]
    _made(tmp_path)
    check_folder(tmp_path, RECIPE)
    spoil(tmp_path)
    with pytest.raises(Rejected, match=message) as caught:
        check_folder(tmp_path, RECIPE)
    assert caught.value.reason == reason


def test_a_tensor_that_does_not_match_its_line_is_refused(tmp_path: Path) -> None:
    store = _made(tmp_path)
    check_tensors(store)
    store.images[1] = 0
    with pytest.raises(Rejected, match=r"specimen mouse-1 \(row 1\) is not the original one"):
        check_tensors(store)


def test_a_new_folder_and_a_line_cut_by_a_crash_pass_the_check(tmp_path: Path) -> None:
    check_folder(tmp_path / "new", RECIPE)
    _made(tmp_path)
    lines = tmp_path / "specimens.jsonl"
    lines.write_bytes(lines.read_bytes()[:-7])
    check_folder(tmp_path, RECIPE)
