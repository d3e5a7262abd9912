"""The label set as one canonical CSV file; its SHA-256 is the version of the label set."""

from __future__ import annotations

import csv
import hashlib
import io
from typing import Final

from services.common.labels import CALL_LABELS
from training.labels.curation.specimen import LabelSet, SpecimenLabels

COLUMNS: Final = (
    "biological_sample_id",
    "centre",
    "strain",
    "group",
    "excluded",
    "level1",
    *CALL_LABELS,
    "abnormal_parameters",
)


def labels_csv(labels: LabelSet) -> str:
    """One row a specimen, sorted by id; a label's cell is empty where it is not known (docs/labels.md).

    `excluded` is empty for specimens to train on; `level1` is empty where neither normal nor abnormal can be said.
    """
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS)
    writer.writerows(_row(specimen) for specimen in labels.specimens)
    return text.getvalue()


def digest(table: str) -> str:
    """SHA-256 of a label set's table in hexadecimal; what `sha256sum labels.csv` prints."""
    return hashlib.sha256(table.encode()).hexdigest()


def _row(specimen: SpecimenLabels) -> list[str]:
    cells = [str(entry) if known else "" for entry, known in zip(specimen.call, specimen.scored, strict=True)]
    return [
        specimen.specimen_id,
        specimen.centre or "",
        specimen.strain or "",
        specimen.group or "",
        specimen.exclusion or "",
        "" if specimen.level1 is None else str(specimen.level1),
        *cells,
        " ".join(specimen.abnormal),
    ]
