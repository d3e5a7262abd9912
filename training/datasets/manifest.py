"""The manifest of a training set as a Parquet file: one row per specimen, from the centre's files to the tensor.

Columns: `index` (row of the arrays), `specimen`, `centre`, `split` (train, validation, test), `label.NAME` for the 14
names of `LABEL_ORDER`, `findings` (kind, severity and IMPReSS parameter stable ids of each), `images` (of each accepted
file its view, its SHA-256 and that of the standardised view's PNG), `tensor_sha256` (null without a tensor),
`refused` (reason code of the intake, null if accepted) and `usable`. The metadata holds `recipe` and `digest`.
"""

import json
from pathlib import Path
from typing import Any, Final

import pyarrow as pa
import pyarrow.parquet as pq

from services.common.atomic import atomic
from services.common.errors import Rejected
from services.common.labels import LABEL_ORDER
from training.datasets.recipe import Recipe
from training.datasets.store import SetFolder, StoredSpecimen
from training.simulation.specimen import SimulatedSpecimen

_FINDING: Final = pa.struct(
    {"kind": pa.string(), "severity": pa.float32(), "parameter_stable_ids": pa.list_(pa.string())}
)
_IMAGE: Final = pa.struct({"view": pa.string(), "image_sha256": pa.string(), "view_sha256": pa.string()})
SCHEMA: Final = pa.schema(
    {
        "index": pa.int64(),
        "specimen": pa.string(),
        "centre": pa.string(),
        "split": pa.string(),
        **{f"label.{label}": pa.bool_() for label in LABEL_ORDER},
        "findings": pa.list_(_FINDING),
        "images": pa.list_(_IMAGE),
        "tensor_sha256": pa.string(),
        "refused": pa.string(),
        "usable": pa.bool_(),
    }
)


def write_manifest(store: SetFolder, path: Path) -> int:
    """Write the manifest of the specimens that are done; return the number of rows. On failure an old file stays.

    Raises Rejected `simulator_changed` if a seed no longer draws the mouse in the set.
    """
    rows = [_row(entry, store.recipe) for entry in store.entries()]
    metadata = {"recipe": json.dumps(store.recipe.as_dict()), "digest": store.digest()}
    table = pa.Table.from_pylist(rows, schema=SCHEMA.with_metadata(metadata))
    with atomic(path) as part:
        pq.write_table(table, part)
    return len(rows)


def _row(entry: StoredSpecimen, recipe: Recipe) -> dict[str, Any]:
    specimen = _specimen(entry, recipe)
    return {
        "index": entry.index,
        "specimen": entry.specimen,
        "centre": entry.centre,
        "split": recipe.part(entry.index, entry.specimen),
        **{f"label.{label}": bool(value) for label, value in zip(LABEL_ORDER, entry.labels, strict=True)},
        "findings": [
            {"kind": f.kind, "severity": f.severity, "parameter_stable_ids": f.parameter_ids} for f in specimen.findings
        ],
        "images": [dict(zip(_IMAGE.names, source, strict=True)) for source in entry.sources],
        "tensor_sha256": entry.digest or None,
        "refused": entry.refused or None,
        "usable": entry.usable,
    }


def _specimen(entry: StoredSpecimen, recipe: Recipe) -> SimulatedSpecimen:
    specimen = recipe.specimen(entry.index)
    drawn = (specimen.biological_sample_id, specimen.centre, (specimen.level1, *specimen.call))
    if drawn != (entry.specimen, entry.centre, entry.labels):
        raise Rejected(
            "simulator_changed",
            f"specimen {entry.specimen} is now drawn differently: make the training set again",
            specimen=entry.specimen,
        )
    return specimen
