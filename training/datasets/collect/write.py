"""Writes a dataset, completely or not at all; the same rows give the same bytes.

`report.md` describes its contents, what was left out and why, and where statements disagree.
"""

import shutil
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from tempfile import mkdtemp
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from services.common.labels import LABEL_ORDER
from services.common.preprocessing import VERSION
from services.common.store import ObjectStore
from training.datasets.collect.dataset import DESCRIPTION, EVALUATION, IMAGES, MANIFEST, Dataset
from training.datasets.collect.draft import DatasetDraft, DatasetRow
from training.datasets.collect.tensors import SHAPE, Tensors
from training.markdown import table

REPORT: Final = "report.md"
_NAMED: Final = 50
"""Limit on specimens that are named for one reason; the count includes all."""
MEANING: Final = {
    "abnormal_elsewhere": "abnormal, but in none of the thirteen labels",
    "conflicting_records": "the centre's records contradict each other, and no review resolves it",
    "identity_conflict": "the id stands for several mice",
    "level1_unknown": "unknown whether it is abnormal, so no level can be learned",
    "file_too_large": "the object under its tensor's key is far too large",
    "no_label": "it has no label from any source",
    "no_tensor": "it has labels, but neither a current call nor a simulated tensor",
    "nothing_scored": "the label set scored none of its observations",
    "object_missing": "its tensor is not in object storage",
    "other_preprocessing": "its current call is from another preprocessing version: reprocess it",
    "refused_by_intake": "simulated pictures that intake rejected",
    "tensor_differs": "its tensor does not have the digest in its call",
    "tensor_shape": "its tensor has another shape",
    "unreadable_value": "a value of the label set could not be read, and no review resolves it",
}
"""Meaning of each reason for which a specimen is left out."""


def as_markdown(draft: DatasetDraft) -> str:
    """The report; the same draft gives the same text."""
    description = draft.description()
    evaluation = description.evaluation
    parts = ", ".join(f"{number} {part}" for part, number in description.specimens.items())
    lines = [
        f"# Dataset {description.digest[:12]}",
        "",
        f"{len(draft.rows)} specimens ({parts}), preprocessing {description.preprocessing_version}. Evaluation set "
        f"{evaluation.generation}: {evaluation.specimens} specimens, {evaluation.relabelled} of them with labels that "
        f"have changed since they joined; {evaluation.waiting} more test specimens are not in it yet.",
        "",
        *_table(
            ("label", "abnormal", "normal", "missing"),
            ((name, one.positives, one.negatives, one.missing) for name, one in description.labels.items()),
        ),
        *_table(("source of labels", "labels"), description.label_sources.items()),
        *_table(("centre", "specimens"), description.centres.items()),
        "## Left out",
        "",
        *_table(
            ("reason", "specimens", "meaning", "which"), (_left_out(*one) for one in sorted(draft.left_out.items()))
        ),
        "## Conflicts",
        "",
        *_table(
            ("specimen", "label", "kind", "kept", "overruled"),
            ((one.specimen, one.label, one.kind, one.kept, one.overruled) for one in draft.conflicts),
        ),
    ]
    return "\n".join(lines)


def _left_out(reason: str, specimens: Sequence[str]) -> tuple[object, ...]:
    named = ", ".join(sorted(specimens)[:_NAMED]) + (", ..." if len(specimens) > _NAMED else "")
    return reason, len(specimens), MEANING[reason], named


def _table(head: Sequence[str], rows: Iterable[Sequence[object]]) -> list[str]:
    listed = list(rows)
    return [table(head, listed) if listed else "None.", ""]


SCHEMA: Final = pa.schema(
    {
        "specimen": pa.string(),
        "centre": pa.string(),
        "split": pa.string(),
        "evaluation": pa.bool_(),
        **{f"label.{label}": pa.bool_() for label in LABEL_ORDER},
        **{f"source.{label}": pa.string() for label in LABEL_ORDER},
        "reviews": pa.list_(pa.string()),
        "tensor_key": pa.string(),
        "tensor_sha256": pa.string(),
        "images": pa.list_(pa.string()),
        "call_id": pa.string(),
        "preprocessing_version": pa.string(),
    }
)
"""Schema of `manifest.parquet`. `split` is train, validation or test; `evaluation` marks the fixed evaluation set. A
label is null if unknown; its source is simulated, label set, review or implied. `images` are the files' SHA-256."""
_UNFINISHED: Final = ".unfinished-"


def write_dataset(folder: Path, draft: DatasetDraft, tensors: Tensors, done: Callable[[], None]) -> Dataset:
    """Write the dataset to a folder named by its digest below `folder`, unless it exists.

    Unfinished folders of earlier runs that were killed are removed.
    """
    for left in folder.glob(f"{_UNFINISHED}*"):
        shutil.rmtree(left)
    description = draft.description()
    place = folder / description.digest
    if not place.exists():
        unfinished = Path(mkdtemp(prefix=_UNFINISHED, dir=folder))
        _write_images(unfinished / IMAGES, draft, tensors, done)
        table = pa.Table.from_pylist([_row(row) for row in draft.rows], schema=SCHEMA)
        pq.write_table(table, unfinished / MANIFEST)
        (unfinished / EVALUATION).write_bytes(draft.evaluation.encoded())
        (unfinished / DESCRIPTION).write_text(description.model_dump_json(indent=2) + "\n", encoding="utf-8")
        (unfinished / REPORT).write_text(as_markdown(draft), encoding="utf-8")
        unfinished.chmod(0o755)
        unfinished.rename(place)
    return Dataset.read(place)


def upload(dataset: Dataset, store: ObjectStore) -> None:
    """Store all files but the images in object storage, under the digest; the description is written last."""
    prefix = f"datasets/{dataset.digest}/"
    if not store.exists(prefix + DESCRIPTION):
        for name in (MANIFEST, EVALUATION, REPORT, DESCRIPTION):
            store.put(prefix + name, (dataset.folder / name).read_bytes())


def _write_images(path: Path, draft: DatasetDraft, tensors: Tensors, done: Callable[[], None]) -> None:
    images = np.lib.format.open_memmap(path, mode="w+", dtype=np.uint8, shape=(len(draft.rows), *SHAPE))
    for number, row in enumerate(draft.rows):
        images[number] = tensors.load(row.found)
        done()
    images.flush()


def _row(row: DatasetRow) -> dict[str, Any]:
    found, labelled = row.found, row.labelled
    values = [None if value is None else bool(value) for value in labelled.labels]
    return {
        "specimen": found.specimen,
        "centre": found.centre,
        "split": found.part,
        "evaluation": row.evaluation,
        **{f"label.{label}": value for label, value in zip(LABEL_ORDER, values, strict=True)},
        **{f"source.{label}": source for label, source in zip(LABEL_ORDER, labelled.sources, strict=True)},
        "reviews": list(labelled.reviews),
        "tensor_key": found.tensor_key,
        "tensor_sha256": found.tensor_sha256,
        "images": list(found.images),
        "call_id": found.call_id,
        "preprocessing_version": VERSION,
    }
