from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from services.common.errors import Rejected
from services.common.labels import LABEL_ORDER
from tests.training.evaluation.cohort import predictions
from training.evaluation.parquet import METADATA_KEY, load, save
from training.metrics.predictions import Abnormality, Predictions

SPINE = LABEL_ORDER.index("Spine")


def _changed(array: np.ndarray, place: Any, value: Any) -> Any:
    copy = array.copy()
    copy[place] = value
    return copy


def _same(first: Predictions, second: Predictions) -> None:
    for field in fields(Predictions):
        np.testing.assert_equal(getattr(first, field.name), getattr(second, field.name))


def test_saved_results_are_read_back_unchanged(tmp_path: Path) -> None:
    made = predictions(specimens=40)
    known = _changed(made.known, (slice(3, 9), SPINE), False)
    made = replace(made, known=known, labels=np.where(known, made.labels, 0).astype(np.uint8))
    save(made, tmp_path / "p.parquet")
    _same(load(tmp_path / "p.parquet"), made)
    assert [path.name for path in tmp_path.iterdir()] == ["p.parquet"]


def _complete(specimens: int) -> Predictions:
    """Every property of the specimens is known."""
    made = predictions(specimens=specimens)
    findings = tuple((Abnormality("kyphosis", 0.1 * (row + 1)),) * int(made.labels[row, 0]) for row in range(specimens))
    return replace(made, findings=findings, unseen=np.arange(specimens) % 2 == 1)


def test_specimens_are_sorted_when_read(tmp_path: Path) -> None:
    made = _complete(4)
    arrays = {field.name: getattr(made, field.name)[::-1] for field in fields(made) if field.name != "origin"}
    save(replace(made, **arrays), tmp_path / "p.parquet")
    _same(load(tmp_path / "p.parquet"), made)


@pytest.mark.parametrize(
    ("name", "place", "value", "reason", "message"),
    [
        ("served", (2, SPINE), np.nan, "not_finite", "served of Spine in row 2 is not a finite number"),
        ("given_abnormal", (0, 0), np.inf, "not_finite", "given_abnormal of Abnormal in row 0"),
        ("served", (1, SPINE), 1.01, "out_of_range", "served of Spine in row 1 is outside"),
        ("served", (1, SPINE), -1e-9, "out_of_range", "is outside"),
        ("labels", (1, SPINE), 2, "invalid_label", "0 or 1"),
        ("severity", 1, np.inf, "not_finite", "severity"),
    ],
)
def test_values_out_of_range_are_refused(name: str, place: Any, value: float, reason: str, message: str) -> None:
    made = predictions(specimens=10)
    with pytest.raises(Rejected, match=message) as refusal:
        replace(made, **{name: _changed(getattr(made, name), place, value)})
    assert refusal.value.reason == reason


@pytest.mark.parametrize(
    "name", ["centres", "severity", "labels", "known", "given_abnormal", "served", "findings", "unseen"]
)
def test_wrong_shapes_are_refused(name: str) -> None:
    made = _complete(10)
    with pytest.raises(Rejected, match=f"{name} has shape") as refusal:
        replace(made, **{name: getattr(made, name)[:-1]})
    assert refusal.value.reason == "wrong_shape"


def test_labels_with_thirteen_columns_are_refused() -> None:
    made = predictions(specimens=10)
    with pytest.raises(Rejected, match=r"served has shape \[10, 13\], not \[10, 14\]"):
        replace(made, served=made.served[:, 1:])


def test_a_duplicate_specimen_is_refused() -> None:
    made = predictions(specimens=4)
    with pytest.raises(Rejected, match="such as 'A'") as refusal:
        replace(made, specimens=("A", "B", "A", "C"))
    assert refusal.value.reason == "duplicate_specimen"


def test_predictions_without_specimens_are_refused() -> None:
    made = _complete(2)
    empty = {field.name: getattr(made, field.name)[:0] for field in fields(made) if field.name != "origin"}
    with pytest.raises(Rejected, match="no specimens"):
        replace(made, **empty)


def test_absent_classes_are_named() -> None:
    made = predictions(specimens=60)
    made.require_both_classes()
    labels = made.labels.copy()
    labels[:, LABEL_ORDER.index("Fusion")] = 0
    labels[labels[:, 0] == 1, SPINE] = 1
    with pytest.raises(Rejected, match="Spine has no negative specimen, Fusion has no positive specimen") as refusal:
        replace(made, labels=labels).require_both_classes()
    assert refusal.value.reason == "class_absent"


def test_a_missing_label_is_neither_positive_nor_negative() -> None:
    made = predictions(specimens=60)
    positive = made.labels[:, SPINE] == 1
    hidden = replace(made, known=_changed(made.known, (positive, SPINE), False))
    assert not hidden.scored(SPINE)[positive].any()
    with pytest.raises(Rejected, match="Spine has no positive specimen"):
        hidden.require_both_classes()
    unscored = replace(made, known=_changed(made.known, (slice(None), 0), False))
    assert not unscored.abnormal.any()
    assert not unscored.scored(SPINE).any()


def _table(path: Path) -> pa.Table:
    save(predictions(specimens=20), path)
    return pq.read_table(path)


def _refused(table: pa.Table, path: Path) -> Rejected:
    pq.write_table(table, path)
    with pytest.raises(Rejected) as refusal:
        load(path)
    assert str(path) in refusal.value.message
    return refusal.value


def test_files_without_predictions_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "p.parquet"
    table = _table(path)
    assert _refused(table.replace_schema_metadata({}), path).reason == "invalid_origin"
    nothing = {METADATA_KEY: b'{"model": "cae"}'}
    assert "config: Field required" in _refused(table.replace_schema_metadata(nothing), path).message
    for name in ("specimen", "served.Spine", "label.Ribs"):
        assert _refused(table.drop_columns([name]), path).details == {"column": name}
    path.write_text("specimen,centre\n", encoding="utf-8")
    with pytest.raises(Rejected, match="not a Parquet file"):
        load(path)


@pytest.mark.parametrize(
    ("column", "value", "reason"),
    [
        ("specimen", None, "wrong_type"),
        ("centre", "", "wrong_type"),
        ("served.Spine", None, "not_finite"),
        ("served.Spine", "high", "wrong_type"),
        ("label.Spine", 7, "invalid_label"),
        ("label.Spine", -1, "invalid_label"),
        ("specimen", "S00002", "duplicate_specimen"),
    ],
)
def test_columns_with_bad_values_are_refused(tmp_path: Path, column: str, value: Any, reason: str) -> None:
    table = _table(tmp_path / "p.parquet")
    values = table.column(column).to_pylist()
    values[1] = value
    texts = [None if item is None else str(item) for item in values] if isinstance(value, str) else values
    changed = table.set_column(table.column_names.index(column), column, pa.array(texts))
    assert _refused(changed, tmp_path / "p.parquet").reason == reason
