"""Writing a label set: `labels.csv`, `report.json`, `report.md` in one folder."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

from training.labels.curation.specimen import LabelSet
from training.labels.report.markdown import as_markdown
from training.labels.report.model import Report, Source
from training.labels.report.summary import summarise
from training.labels.report.table import digest, labels_csv


def write(folder: Path, labels: LabelSet, sources: Sequence[Source]) -> Report:
    """Write the files and return the report; the same labels and sources give the same bytes.

    All is written before the first file replaces its predecessor, so that an interrupted run leaves no torn one.
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
