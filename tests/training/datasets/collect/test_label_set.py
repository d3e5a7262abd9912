from pathlib import Path

import pytest

from services.common.errors import Rejected
from tests.training.datasets.collect.making import NORMAL, SPINE, label_set
from training.datasets.collect.collect import read_label_set


def test_labels_missing_ones_and_exclusions_are_read(tmp_path: Path) -> None:
    folder = label_set(tmp_path, {"1": SPINE, "2": (0, *[None] * 13), "3": "identity_conflict"})
    found = read_label_set(folder)
    assert found == read_label_set(folder / "labels.csv")
    assert found.specimens["1"].labels == SPINE
    assert found.specimens["2"].labels == (0, *[None] * 13)
    assert found.specimens["3"].exclusion == "identity_conflict"


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda text: text.replace("level1", "level2"), ":1: the columns are not those"),
        (lambda text: text.replace("1,JAX,C57BL/6N,,,0", "1,JAX,C57BL/6N,,,2"), ":2: a label is '2'"),
        (lambda text: text.replace("2,JAX", "1,JAX"), ":3: specimen 1 occurs twice"),
        (lambda text: text + "3,JAX,,,someday" + "," * 15 + "\n", ":4: excluded is 'someday'"),
    ],
)
def test_a_damaged_line_is_named(tmp_path: Path, spoil: object, message: str) -> None:
    file = label_set(tmp_path, {"1": NORMAL, "2": NORMAL}) / "labels.csv"
    assert callable(spoil)
    file.write_text(spoil(file.read_text(encoding="utf-8")), encoding="utf-8")
    with pytest.raises(Rejected, match=message) as refused:
        read_label_set(file)
    assert refused.value.reason == "label_set_invalid"


def test_a_folder_without_a_label_set_is_refused(tmp_path: Path) -> None:
    with pytest.raises(Rejected, match="make it with `xray train labels`"):
        read_label_set(tmp_path)
