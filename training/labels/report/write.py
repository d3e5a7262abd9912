"""Writing a label set: `labels.csv`, `report.json`, `report.md` in one folder."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from training.labels.curation.specimen import LabelSet
from training.labels.report.markdown import as_markdown
from training.labels.report.model import Report, Source
from training.labels.report.summary import summarise
from training.labels.report.table import digest, labels_csv


def write(folder: Path, labels: LabelSet, sources: Sequence[Source]) -> Report:
    """Write the files and return the report; the same labels and sources give the same bytes.

    Each file replaces its predecessor whole, so that an interrupted run leaves no torn one. Raises OSError.
    """
    table = labels_csv(labels)
    report = summarise(labels, digest(table), sources)
    folder.mkdir(parents=True, exist_ok=True)
    _replace(folder / "labels.csv", table)
    _replace(folder / "report.json", report.model_dump_json(indent=2) + "\n")
    _replace(folder / "report.md", as_markdown(report))
    return report


def _replace(path: Path, text: str) -> None:
    fresh = path.with_name(f".{path.name}.new")
    fresh.write_text(text, encoding="utf-8", newline="\n")
    os.replace(fresh, path)  # noqa: PTH105
