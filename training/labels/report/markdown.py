"""The report as a page for people."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

from training.labels.report.model import LabelReport

LISTED: Final = 30
"""Rows of the long tables; `report.json` has all."""


def as_markdown(report: LabelReport) -> str:
    """The report in Markdown: what may be trained on, what was left out and why, what to ask the centres."""
    sections = (
        _head(report),
        _section("Left out", ("reason", "specimens"), report.excluded.items()),
        _section("Centres", *_centres(report)),
        _section("Labels", ("label", "abnormal", "scored"), _labels(report)),
        _section("Observations", *_parameters(report)),
        _section("Why values are missing", ("reason", "observations"), list(report.missing_reasons.items())),
        _section("Values that could not be read", *_unreadable(report)),
        _section("Records that disagree", *_conflicts(report)),
        _section("Reference ranges", *_ranges(report)),
        _section("Too few wild types: anatomical range used", *_too_few(report)),
        _section("Records ignored", ("reason", "records", "parameters"), _ignored(report)),
        _section("Entries skipped", *_skipped(report)),
        _section("Sources", ("file", "entries", "sha256"), [(s.file, s.entries, s.sha256) for s in report.sources]),
    )
    return "\n".join(section for section in sections if section)


def _head(report: LabelReport) -> str:
    return (
        "# Label set\n\n"
        f"Version `{report.digest}` (SHA-256 of `labels.csv`), label map `{report.label_map_digest[:12]}`.\n\n"
        f"{report.specimens} specimens from {report.records} records: {report.normal} normal and {report.abnormal} "
        f"abnormal to train on, {sum(report.excluded.values())} left out.\n"
    )


def _centres(report: LabelReport) -> tuple[Sequence[str], list[Sequence[object]]]:
    names = list(report.labels)
    columns = ("centre", "specimens", "wild types", "normal", "abnormal", "left out", *names)
    rows: list[Sequence[object]] = [
        (
            centre,
            counts.specimens,
            counts.wild_types,
            counts.normal,
            counts.abnormal,
            sum(counts.excluded.values()),
            *(counts.labels[name] for name in names),
        )
        for centre, counts in report.centres.items()
    ]
    return columns, rows


def _labels(report: LabelReport) -> list[Sequence[object]]:
    return [(name, counts.abnormal, counts.scored) for name, counts in report.labels.items()]


def _parameters(report: LabelReport) -> tuple[Sequence[str], list[Sequence[object]]]:
    columns = (
        "parameter",
        "name",
        "normal",
        "abnormal",
        "missing",
        "unreadable",
        "conflict",
        "not sent",
        "scored %",
    )
    rows: list[Sequence[object]] = []
    for identifier, one in report.parameters.items():
        scored = 100 * (one.normal + one.abnormal) / report.specimens if report.specimens else 0.0
        counts = (one.normal, one.abnormal, one.missing, one.unreadable, one.conflict, one.not_sent)
        rows.append((identifier, one.name, *counts, f"{scored:.1f}"))
    return columns, rows


def _unreadable(report: LabelReport) -> tuple[Sequence[str], list[Sequence[object]]]:
    rows = [(one.centre, one.parameter, one.value[:80], one.specimens) for one in report.unreadable_values]
    return ("centre", "parameter", "value", "specimens"), list(rows)


def _conflicts(report: LabelReport) -> tuple[Sequence[str], list[Sequence[object]]]:
    rows = [(one.kind, one.centre, one.specimen_id, one.parameter, "; ".join(one.said)) for one in report.conflicts]
    return ("kind", "centre", "specimen", "parameter", "said"), list(rows)


def _ranges(report: LabelReport) -> tuple[Sequence[str], list[Sequence[object]]]:
    rows = [
        (one.centre, one.strain, one.parameter, f"{one.low:g} to {one.high:g}", one.wild_types) for one in report.ranges
    ]
    return ("centre", "strain", "parameter", "normal", "wild types"), list(rows)


def _too_few(report: LabelReport) -> tuple[Sequence[str], list[Sequence[object]]]:
    rows = [(one.centre, one.strain, one.parameter, one.wild_types) for one in report.too_few_wild_types]
    return ("centre", "strain", "parameter", "wild types"), list(rows)


def _ignored(report: LabelReport) -> list[Sequence[object]]:
    return [
        (reason, one.records, ", ".join(f"{name} ({count})" for name, count in one.parameters.items()))
        for reason, one in report.ignored.items()
    ]


def _skipped(report: LabelReport) -> tuple[Sequence[str], list[Sequence[object]]]:
    rows = [(one.reason, one.entries, one.first, one.words) for one in report.skipped]
    return ("reason", "entries", "first", "words"), list(rows)


def _section(title: str, columns: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """A table under a heading, or nothing when there are no rows."""
    listed = list(rows)
    if not listed:
        return ""
    lines = [f"## {title}", "", _line(columns), _line(["---"] * len(columns))]
    lines += [_line(row) for row in listed[: LISTED if len(listed) > 60 else None]]
    if len(listed) > 60:
        lines += ["", f"{len(listed) - LISTED} more in `report.json`."]
    return "\n".join(lines) + "\n"


def _line(cells: Sequence[object]) -> str:
    """One row; what would break the table or become markup is escaped."""
    return "| " + " | ".join(_cell(cell) for cell in cells) + " |"


def _cell(cell: object) -> str:
    text = " ".join(str(cell).split())
    return "".join(f"\\{letter}" if letter in "\\`*[]<>|" else letter for letter in text)
