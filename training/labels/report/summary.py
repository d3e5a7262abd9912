"""Summarises a label set as its report."""

import hashlib
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from importlib import resources
from typing import Final

from services.common.labels import CALL_LABELS
from services.common.observations import TABLE_FILE, table
from training.labels.curation.specimen import LabelSet, SpecimenLabels, Tallies
from training.labels.curation.verdict import Verdict
from training.labels.report.model import (
    CentreCounts,
    Ignored,
    LabelCounts,
    LabelReport,
    ParameterCounts,
    ReferenceRange,
    ReportSource,
    SkippedEntries,
    TooFewWildTypes,
    UnreadableValue,
)

UNKNOWN_CENTRE: Final = "(unknown)"
LISTED: Final = 20
"""Parameters listed for each reason to ignore records."""


def summarise(labels: LabelSet, version: str, sources: Sequence[ReportSource]) -> LabelReport:
    """The report of a label set whose table has the digest `version`; deterministic."""
    tallies = labels.tallies
    used = [specimen for specimen in labels.specimens if specimen.exclusion is None]
    levels = Counter(specimen.level1 for specimen in used)
    return LabelReport(
        digest=version,
        label_map_digest=_label_map_digest(),
        sources=sorted(sources, key=lambda source: (source.file, source.sha256)),
        records=tallies.records,
        specimens=len(labels.specimens),
        normal=levels[0],
        abnormal=levels[1],
        excluded=_counted(str(specimen.exclusion) for specimen in labels.specimens if specimen.exclusion),
        centres=_centres(labels.specimens),
        labels=_labels(used),
        parameters=_parameters(tallies, len(labels.specimens)),
        missing_reasons=_ordered(tallies.missing),
        ignored=_ignored(tallies),
        skipped=_skipped(tallies),
        unreadable_values=_unreadable(tallies),
        conflicts=list(labels.conflicts),
        ranges=[
            ReferenceRange(
                centre=key.centre,
                strain=key.strain,
                parameter=key.parameter,
                low=found.low,
                high=found.high,
                wild_types=found.wild_types,
            )
            for key, found in labels.ranges.items()
        ],
        too_few_wild_types=[
            TooFewWildTypes(centre=key.centre, strain=key.strain, parameter=key.parameter, wild_types=number)
            for key, number in labels.too_few.items()
        ],
    )


def _centres(specimens: Iterable[SpecimenLabels]) -> dict[str, CentreCounts]:
    groups: defaultdict[str, list[SpecimenLabels]] = defaultdict(list)
    for specimen in specimens:
        groups[specimen.centre or UNKNOWN_CENTRE].append(specimen)
    return {centre: _centre(members) for centre, members in sorted(groups.items())}


def _centre(members: Sequence[SpecimenLabels]) -> CentreCounts:
    used = [specimen for specimen in members if specimen.exclusion is None]
    return CentreCounts(
        specimens=len(members),
        wild_types=sum(specimen.group == "control" for specimen in members),
        normal=sum(specimen.level1 == 0 for specimen in used),
        abnormal=sum(specimen.level1 == 1 for specimen in used),
        excluded=_counted(str(specimen.exclusion) for specimen in members if specimen.exclusion),
        labels={name: counts.abnormal for name, counts in _labels(used).items()},
    )


def _labels(used: Sequence[SpecimenLabels]) -> dict[str, LabelCounts]:
    return {
        name: LabelCounts(
            abnormal=sum(specimen.call[index] for specimen in used),
            scored=sum(specimen.scored[index] for specimen in used),
        )
        for index, name in enumerate(CALL_LABELS)
    }


def _parameters(tallies: Tallies, specimens: int) -> dict[str, ParameterCounts]:
    counts: dict[str, ParameterCounts] = {}
    for row in table():
        sent = {state: tallies.states[row.parameter_stable_id, state] for state in (*Verdict, "conflict")}
        counts[row.parameter_stable_id] = ParameterCounts(
            name=row.name,
            normal=sent[Verdict.NORMAL],
            abnormal=sent[Verdict.ABNORMAL],
            missing=sent[Verdict.MISSING],
            unreadable=sent[Verdict.UNREADABLE],
            conflict=sent["conflict"],
            not_sent=specimens - sum(sent.values()),
        )
    return counts


def _ignored(tallies: Tallies) -> dict[str, Ignored]:
    reasons: defaultdict[str, Counter[str]] = defaultdict(Counter)
    for (reason, parameter), number in tallies.ignored.items():
        reasons[reason][parameter] += number
    return {
        reason: Ignored(records=parameters.total(), parameters=dict(list(_ordered(parameters).items())[:LISTED]))
        for reason, parameters in sorted(reasons.items())
    }


def _skipped(tallies: Tallies) -> list[SkippedEntries]:
    return [
        SkippedEntries(reason=reason, entries=number, first=str(location), message=message)
        for reason, number in _ordered(tallies.skipped).items()
        for location, message in (tallies.skipped_first[reason],)
    ]


def _unreadable(tallies: Tallies) -> list[UnreadableValue]:
    ordered = sorted(tallies.unreadable.items(), key=lambda item: (-item[1], item[0]))
    return [
        UnreadableValue(centre=centre or UNKNOWN_CENTRE, parameter=parameter, value=value, specimens=number)
        for (centre, parameter, value), number in ordered
    ]


def _counted(reasons: Iterable[str]) -> dict[str, int]:
    return _ordered(Counter(reasons))


def _ordered(counts: Counter[str]) -> dict[str, int]:
    """Sorted by falling count, then by name."""
    return dict(sorted(counts.items(), key=lambda item: (-item[1], item[0])))


def _label_map_digest() -> str:
    content = resources.files("services.common").joinpath(TABLE_FILE).read_bytes()
    return hashlib.sha256(content).hexdigest()
