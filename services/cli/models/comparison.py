"""How candidates in shadow compare with the calls, as the ledger has it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any

from rich.table import Table

from services.cli.models.arguments import listing
from services.cli.output import errors, moment, seconds, table
from services.common.errors import PipelineError
from services.common.settings import Settings
from services.ledger.database import ledger
from services.ledger.queries import ShadowLabel, ShadowSummary, shadow_labels, shadow_summaries


@dataclass(frozen=True)
class ShadowComparison:
    """One candidate: over all, and by label."""

    summary: ShadowSummary
    labels: list[ShadowLabel]

    def document(self) -> dict[str, Any]:
        """Return it for JSON."""
        return asdict(self.summary) | {"labels": [asdict(label) for label in self.labels]}


def summaries(settings: Settings) -> list[ShadowSummary]:
    """Return every candidate that was compared, the last one first; none, and a remark, when the ledger is away.

    What serves must be told even while PostgreSQL is away.
    """
    try:
        with ledger(settings) as connection:
            return shadow_summaries(connection)
    except PipelineError as error:
        errors().print(f"no comparisons of candidates in shadow: {error}", markup=False)
        return []


def comparisons(settings: Settings, model: str, version: int) -> list[ShadowComparison]:
    """Return the comparisons of candidates that hold this version, as `summaries` does."""
    found = [one for one in summaries(settings) if one.versions.get(model) == version]
    if not found:
        return []
    with ledger(settings) as connection:
        return [ShadowComparison(one, shadow_labels(connection, one.versions)) for one in found]


def summary_table(found: list[ShadowSummary]) -> Table:
    """Return a line a candidate."""
    columns = ("candidate", "specimens#", "differing#", "answer p50#", "p99#", "first", "last")
    return table("Compared in shadow", columns, map(_line, found))


def label_table(comparison: ShadowComparison) -> Table:
    """Return a line a label."""
    one = comparison.summary
    title = (
        f"{listing(one.versions)} in shadow: {one.specimens} specimens, answers in {seconds(one.seconds_p50)} (p50), "
        f"{seconds(one.seconds_p99)} (p99)"
    )
    return table(title, ("label", "positive in the calls#", "of the candidate#", "differing#"), _lines(comparison))


def _line(one: ShadowSummary) -> tuple[object, ...]:
    latency = (seconds(one.seconds_p50), seconds(one.seconds_p99))
    differing = _of(one.differing, one.specimens)
    return (listing(one.versions), one.specimens, differing, *latency, moment(one.first_at), moment(one.last_at))


def _lines(comparison: ShadowComparison) -> Iterator[tuple[object, ...]]:
    total = comparison.summary.specimens
    for one in comparison.labels:
        yield one.label, _of(one.called, total), _of(one.candidate, total), _of(one.differs, total)


def _of(count: int, total: int) -> str:
    return f"{count} ({count / total:.1%})"
