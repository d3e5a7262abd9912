"""Writes a label set to a folder: `labels.csv`, `report.json` and `report.md`.

`labels.csv` is canonical: its SHA-256 is the version of the label set.
"""

import csv
import hashlib
import io
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from services.common.labels import CALL_LABELS
from training.labels.curation.specimen import LabelSet, SpecimenLabels
from training.labels.report.markdown import as_markdown
from training.labels.report.model import LabelReport, ReportSource
from training.labels.report.summary import summarise

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
    """One row per specimen, sorted by id; a label's cell is empty if it is unknown (docs/labels.md).

    `excluded` is empty for specimens to train on; `level1` is empty if it cannot be determined.
    """
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS)
    writer.writerows(_row(specimen) for specimen in labels.specimens)
    return text.getvalue()


def digest(table: str) -> str:
    """SHA-256 of a label set's table in hexadecimal, as `sha256sum labels.csv` prints it."""
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


def write(folder: Path, labels: LabelSet, sources: Sequence[ReportSource]) -> LabelReport:
    """Write the files and return the report; the same labels and sources give the same bytes.

    All files are written before the first one replaces its predecessor, so an interrupted run leaves complete files.
    Raises OSError.
    """
    table = labels_csv(labels)
    report = summarise(labels, digest(table), sources)
    folder.mkdir(parents=True, exist_ok=True)
    texts = {
        "labels.csv": table,
        "report.json": report.model_dump_json(indent=2) + "\n",
        "report.md": as_markdown(report),
    }
    with TemporaryDirectory(prefix=".labels-", dir=folder) as fresh:
        for name, text in texts.items():
            (Path(fresh) / name).write_text(text, encoding="utf-8", newline="\n")
        for name in texts:
            (Path(fresh) / name).replace(folder / name)
    return report
