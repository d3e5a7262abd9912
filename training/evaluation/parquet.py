"""Predictions as a Parquet file: one column per array and label, with the origin as JSON in the metadata.

Columns: `specimen`, `centre`, `severity` (null if unknown), `label.NAME` (null if missing), `served.NAME` and
`given_abnormal.NAME` for each of the 14 names of `LABEL_ORDER`; `findings` (list of kind and severity) where known;
`part` (`test` or `unseen`); without it all specimens are `test`.
"""

from pathlib import Path
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from pydantic import ValidationError

from services.common.atomic import atomic
from services.common.errors import Rejected
from services.common.labels import LABEL_ORDER
from training.datasets.arrays import MISSING, Labels, Mask, known
from training.metrics.predictions import Abnormality, Numbers, PredictionOrigin, Predictions

METADATA_KEY: Final = b"origin"
_FINDINGS: Final = pa.list_(pa.struct([("kind", pa.string()), ("severity", pa.float64())]))

_PARTS: Final = ("test", "unseen")


def save(predictions: Predictions, path: Path) -> None:
    """Write the file; if that fails, an old file stays unchanged."""
    columns: dict[str, Any] = {
        "specimen": pa.array(predictions.specimens, pa.string()),
        "centre": pa.array(predictions.centres, pa.string()),
        "severity": pa.array(predictions.severity, pa.float64(), from_pandas=True),
    }
    for column, label in enumerate(LABEL_ORDER):
        columns[f"label.{label}"] = pa.array(predictions.labels[:, column], mask=~predictions.known[:, column])
        columns[f"served.{label}"] = pa.array(predictions.served[:, column])
        columns[f"given_abnormal.{label}"] = pa.array(predictions.given_abnormal[:, column])
    if predictions.findings is not None:
        findings = [[{"kind": one.kind, "severity": one.severity} for one in each] for each in predictions.findings]
        columns["findings"] = pa.array(findings, _FINDINGS)
    if predictions.unseen is not None:
        columns["part"] = pa.array([_PARTS[int(unseen)] for unseen in predictions.unseen], pa.string())
    table = pa.table(columns).replace_schema_metadata({METADATA_KEY: predictions.origin.model_dump_json()})
    with atomic(path) as part:
        pq.write_table(table, part)


def load(path: Path) -> Predictions:
    """Read a file, specimens sorted by id.

    Raises Rejected naming the file: `not_parquet`, `missing_column`, `wrong_type`, `unknown_part`, `invalid_label`,
    `invalid_origin`, and what `Predictions` raises.
    """
    try:
        table = pq.read_table(path)
    except pa.ArrowInvalid as error:
        raise Rejected("not_parquet", f"{path} is not a Parquet file: {error}") from None
    try:
        return _predictions(table)
    except Rejected as error:
        raise Rejected(error.reason, f"{path}: {error.message}", **error.details) from None


def _predictions(table: pa.Table) -> Predictions:
    _names(table, "specimen")
    table = table.sort_by("specimen")
    labels = _labels(table)
    return Predictions(
        origin=_origin(table),
        specimens=_names(table, "specimen"),
        centres=_names(table, "centre"),
        severity=_numbers(table, "severity"),
        labels=np.where(known(labels), labels, 0).astype(np.uint8),
        known=known(labels),
        given_abnormal=_probabilities(table, "given_abnormal"),
        served=_probabilities(table, "served"),
        findings=_findings(table),
        unseen=_unseen(table),
    )


def _origin(table: pa.Table) -> PredictionOrigin:
    content = (table.schema.metadata or {}).get(METADATA_KEY)
    if content is None:
        raise Rejected("invalid_origin", f"the metadata has no {METADATA_KEY.decode()!r} that describes the model")
    try:
        return PredictionOrigin.model_validate_json(content)
    except ValidationError as error:
        first = error.errors()[0]
        location = ".".join(str(part) for part in first["loc"])
        raise Rejected("invalid_origin", f"origin in the metadata: {location}: {first['msg']}") from None


def _column(table: pa.Table, name: str) -> pa.ChunkedArray:
    if name not in table.column_names:
        raise Rejected("missing_column", f"column {name!r} is missing", column=name)
    return table.column(name)


def _names(table: pa.Table, name: str) -> tuple[str, ...]:
    values = _column(table, name).to_pylist()
    if not all(isinstance(value, str) and value for value in values):
        raise Rejected("wrong_type", f"column {name!r} must hold text in every row", column=name)
    return tuple(values)


def _numbers(table: pa.Table, name: str) -> Numbers:
    column = _column(table, name)
    try:
        values: Numbers = column.cast(pa.float64()).to_numpy(zero_copy_only=False).astype(np.float64)
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
        raise Rejected("wrong_type", f"column {name!r} must hold numbers", column=name) from None
    return values


def _findings(table: pa.Table) -> tuple[tuple[Abnormality, ...], ...] | None:
    if "findings" not in table.column_names:
        return None
    column = table.column("findings")
    if column.type != _FINDINGS or column.null_count:
        raise Rejected("wrong_type", f"column 'findings' must hold {_FINDINGS} in every row", column="findings")
    return tuple(tuple(Abnormality(**finding) for finding in each) for each in column.to_pylist())


def _unseen(table: pa.Table) -> Mask | None:
    if "part" not in table.column_names:
        return None
    parts = _names(table, "part")
    other = sorted(set(parts) - set(_PARTS))
    if other:
        raise Rejected("unknown_part", f"part {other[0]!r} is not one of {', '.join(_PARTS)}", part=other[0])
    return np.asarray(np.array(parts) == _PARTS[1])


def _probabilities(table: pa.Table, name: str) -> Numbers:
    return np.stack([_numbers(table, f"{name}.{label}") for label in LABEL_ORDER], axis=1)


def _labels(table: pa.Table) -> Labels:
    columns = [_numbers(table, f"label.{label}") for label in LABEL_ORDER]
    values = np.stack(columns, axis=1)
    missing: Mask = np.isnan(values)
    if not np.isin(values[~missing], (0, 1)).all():
        raise Rejected("invalid_label", "labels must be 0, 1 or null")
    return np.where(missing, MISSING, values).astype(np.uint8)
