"""Writes a label set to a folder: `labels.csv`, `report.json` and `report.md`.

`labels.csv` is canonical: its SHA-256 is the version of the label set. `report.md` is the template `report.md.j2`,
filled with tables.
"""

import csv
import hashlib
import io
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from services.common.labels import CALL_LABELS
from training.labels.curation.specimen import LabelSet, SpecimenLabels
from training.labels.report.model import LabelReport, ReportSource
from training.labels.report.summary import summarise
from training.markdown import escaped, render, table

LISTED: Final = 30
"""Rows shown of tables with more than twice as many; `report.json` has all."""

Rows = Iterable[Sequence[object]]
Table = tuple[str, Sequence[str], Rows]
"""Title, header and rows."""


def as_markdown(report: LabelReport) -> str:
    """The report in Markdown: what can be trained on, what was left out and why, and questions for the centres."""
    sections = []
    for title, header, rows in _tables(report):
        listed = [[escaped(cell) for cell in row] for row in rows]
        shown = listed if len(listed) <= 2 * LISTED else listed[:LISTED]
        if listed:
            sections.append((title, table(header, shown), len(listed) - len(shown)))
    return render(__package__, "report.md.j2", report=report, sections=sections)


def _tables(report: LabelReport) -> Iterator[Table]:
    yield from _tables_of_specimens(report)
    yield from _tables_of_values(report)
    yield from _tables_of_ranges(report)
    yield from _tables_of_sources(report)


def _tables_of_specimens(report: LabelReport) -> Iterator[Table]:
    yield "Left out", ("reason", "specimens"), report.excluded.items()
    yield (
        "Centres",
        ("centre", "specimens", "wild types", "normal", "abnormal", "left out", *report.labels),
        (
            (
                centre,
                counts.specimens,
                counts.wild_types,
                counts.normal,
                counts.abnormal,
                sum(counts.excluded.values()),
                *(counts.labels[name] for name in report.labels),
            )
            for centre, counts in report.centres.items()
        ),
    )
    yield (
        "Labels",
        ("label", "abnormal", "scored"),
        ((name, counts.abnormal, counts.scored) for name, counts in report.labels.items()),
    )


def _tables_of_values(report: LabelReport) -> Iterator[Table]:
    states = ("normal", "abnormal", "missing", "unreadable", "conflict", "not sent")
    yield "Observations", ("parameter", "name", *states, "scored %"), _observations(report)
    yield "Why values are missing", ("reason", "observations"), report.missing_reasons.items()
    yield (
        "Values that could not be read",
        ("centre", "parameter", "value", "specimens"),
        ((one.centre, one.parameter, one.value[:80], one.specimens) for one in report.unreadable_values),
    )
    yield (
        "Records that disagree",
        ("kind", "centre", "specimen", "parameter", "sent"),
        ((one.kind, one.centre, one.specimen_id, one.parameter, "; ".join(one.sent)) for one in report.conflicts),
    )


def _tables_of_ranges(report: LabelReport) -> Iterator[Table]:
    yield (
        "Reference ranges",
        ("centre", "strain", "parameter", "normal", "wild types"),
        (
            (one.centre, one.strain, one.parameter, f"{one.low:g} to {one.high:g}", one.wild_types)
            for one in report.ranges
        ),
    )
    yield (
        "Too few wild types: anatomical range used",
        ("centre", "strain", "parameter", "wild types"),
        ((one.centre, one.strain, one.parameter, one.wild_types) for one in report.too_few_wild_types),
    )


def _tables_of_sources(report: LabelReport) -> Iterator[Table]:
    yield (
        "Records ignored",
        ("reason", "records", "parameters"),
        (
            (reason, one.records, ", ".join(f"{name} ({count})" for name, count in one.parameters.items()))
            for reason, one in report.ignored.items()
        ),
    )
    yield (
        "Entries skipped",
        ("reason", "entries", "first", "message"),
        ((one.reason, one.entries, one.first, one.message) for one in report.skipped),
    )
    yield "Sources", ("file", "entries", "sha256"), ((one.file, one.entries, one.sha256) for one in report.sources)


def _observations(report: LabelReport) -> Rows:
    for identifier, one in report.parameters.items():
        scored = 100 * (one.normal + one.abnormal) / report.specimens if report.specimens else 0.0
        counts = (one.normal, one.abnormal, one.missing, one.unreadable, one.conflict, one.not_sent)
        yield identifier, one.name, *counts, f"{scored:.1f}"


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
