"""The report as a page for people: the template `report.md.j2`, filled with tables."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Final

from training.labels.report.model import LabelReport
from training.markdown import escaped, render, table

LISTED: Final = 30
"""Rows shown of tables with more than twice as many; `report.json` has all."""

Rows = Iterable[Sequence[object]]


def as_markdown(report: LabelReport) -> str:
    """The report in Markdown: what can be trained on, what was left out and why, and questions for the centres."""
    sections = []
    for title, header, rows in _tables(report):
        listed = [[escaped(cell) for cell in row] for row in rows]
        shown = listed if len(listed) <= 2 * LISTED else listed[:LISTED]
        if listed:
            sections.append((title, table(header, shown), len(listed) - len(shown)))
    return render(__package__, "report.md.j2", report=report, sections=sections)


def _tables(report: LabelReport) -> Iterator[tuple[str, Sequence[str], Rows]]:
    """Title, header and rows of every table."""
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
