"""How candidates in shadow compare with the calls, by the ledger."""

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any

from services.cli.output import Sheet, errors, moment, seconds, table
from services.common.errors import PipelineError
from services.common.events.summary import describe_versions
from services.common.settings import Settings
from services.ledger.database import ledger
from services.ledger.queries import ShadowLabel, ShadowSummary, shadow_labels, shadow_summaries


@dataclass(frozen=True)
class ShadowComparison:
    """One candidate: overall, and by label."""

    summary: ShadowSummary
    labels: list[ShadowLabel]

    def to_json(self) -> dict[str, Any]:
        """Return the comparison for JSON."""
        return asdict(self.summary) | {"labels": [asdict(label) for label in self.labels]}


def summaries(settings: Settings) -> list[ShadowSummary]:
    """Return every candidate that was compared, the last one first.

    Without the ledger it returns none and prints a remark: which versions serve must be shown without PostgreSQL too.
    """
    try:
        with ledger(settings) as connection:
            return shadow_summaries(connection)
    except PipelineError as error:
        errors().print(f"no comparisons of candidates in shadow: {error}", markup=False)
        return []


def comparisons(settings: Settings, model: str, version: int) -> list[ShadowComparison]:
    """Return the comparisons of candidates that contain this version."""
    found = [one for one in summaries(settings) if one.versions.get(model) == version]
    if not found:
        return []
    with ledger(settings) as connection:
        return [ShadowComparison(one, shadow_labels(connection, one.versions)) for one in found]


def summary_table(found: list[ShadowSummary]) -> Sheet:
    """Return one row per candidate."""
    columns = ("candidate", "specimens#", "differing#", "time p50#", "p99#", "first (UTC)", "last (UTC)")
    return table("Compared in shadow", columns, map(_line, found))


def label_table(comparison: ShadowComparison) -> Sheet:
    """Return one row per label."""
    one = comparison.summary
    title = (
        f"{describe_versions(one.versions)} in shadow: {one.specimens} specimens, "
        f"inference in {seconds(one.seconds_p50)} (p50), {seconds(one.seconds_p99)} (p99)"
    )
    return table(title, ("label", "positive calls#", "positive in shadow#", "differing#"), _lines(comparison))


def _line(one: ShadowSummary) -> tuple[object, ...]:
    latency = (seconds(one.seconds_p50), seconds(one.seconds_p99))
    differing = _of(one.differing, one.specimens)
    return (
        describe_versions(one.versions),
        one.specimens,
        differing,
        *latency,
        moment(one.first_at),
        moment(one.last_at),
    )


def _lines(comparison: ShadowComparison) -> Iterator[tuple[object, ...]]:
    total = comparison.summary.specimens
    for one in comparison.labels:
        yield one.label, _of(one.called, total), _of(one.candidate, total), _of(one.differs, total)


def _of(count: int, total: int) -> str:
    return f"{count} ({count / total:.1%})"
