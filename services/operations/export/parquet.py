"""Calls as Parquet: one row per call, one column per label."""

from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path
from typing import Any, Final

import pyarrow as pa
from pyarrow import parquet

from services.common.labels import CALL_LABELS, LABEL_ORDER
from services.ledger.queries import StoredCall

_BATCH: Final = 2000
"""Calls per row group: about 20 MB of memory while it is built."""
_MOMENT: Final = pa.timestamp("us", tz="UTC")
_OUTPUT: Final = pa.struct(
    {
        "model": pa.string(),
        "version": pa.int32(),
        "calibration_digest": pa.string(),
        "training_digest": pa.string(),
        "level1": pa.float64(),
        "level2": pa.list_(pa.float64()),
        "level3": pa.list_(pa.float64()),
    }
)
_VIEW: Final = pa.struct({"view": pa.string(), "image_sha256": pa.string(), "view_key": pa.string()})


_FACTS: Final = pa.struct(
    {
        "sample_group": pa.string(),
        "sex": pa.string(),
        "strain_accession_id": pa.string(),
        "conflicts": pa.list_(pa.string()),
    }
)
_REFERENCE: Final = pa.struct(
    {"activation": pa.int32(), "sha256": pa.string(), "group": pa.string(), "controls": pa.int32()}
)


def column(label: str) -> str:
    """Return the name of a label's column, for example whole_body; its probability is in p_whole_body."""
    return label.lower().replace("-", "_")


SCHEMA: Final = pa.schema(
    {
        "biological_sample_id": pa.string(),
        "centre": pa.string(),
        "call_id": pa.string(),
        "current": pa.bool_(),
        "revision": pa.int32(),
        "preprocessing_version": pa.string(),
        "preprocessing_generation": pa.int32(),
        "activation": pa.int32(),
        **{column(label): pa.bool_() for label in LABEL_ORDER},
        "abnormal_elsewhere": pa.bool_(),
        "unfamiliarity": pa.float64(),
        "animal": _FACTS,
        "reference": _REFERENCE,
        **{f"p_{column(label)}": pa.float64() for label in LABEL_ORDER},
        "uncertain": pa.list_(pa.string()),
        "disagreement": pa.list_(pa.string()),
        "models": pa.list_(_OUTPUT),
        "views": pa.list_(_VIEW),
        "tensor_key": pa.string(),
        "tensor_sha256": pa.string(),
        "announced_at": _MOMENT,
        "produced_at": _MOMENT,
        "recorded_at": _MOMENT,
    }
)


def write_parquet(path: Path, calls: Iterable[StoredCall]) -> None:
    """Write one row per call. Labels are booleans, `p_...` their consensus probabilities in [0, 1], times UTC."""
    with parquet.ParquetWriter(path, SCHEMA, compression="zstd") as writer:
        for batch in _batches(calls):
            writer.write_table(pa.Table.from_pylist([_row(stored) for stored in batch], schema=SCHEMA))


def _batches(calls: Iterable[StoredCall]) -> Iterator[list[StoredCall]]:
    remaining = iter(calls)
    while batch := list(islice(remaining, _BATCH)):
        yield batch


def _row(stored: StoredCall) -> dict[str, Any]:
    call = stored.call
    consensus = (call.consensus.level1, *call.consensus.level2, *call.consensus.level3)
    return {
        **call.model_dump(exclude={"models"}),
        **{column(label): bool(bit) for label, bit in zip(CALL_LABELS, call.vector, strict=True)},
        **{f"p_{column(label)}": value for label, value in zip(LABEL_ORDER, consensus, strict=True)},
        "models": [output.model_dump() | output.probabilities.model_dump() for output in call.models],
        "current": stored.current,
        "recorded_at": stored.recorded_at,
    }
