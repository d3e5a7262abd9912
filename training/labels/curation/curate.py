"""Curation: records in any order in, the labels of specimens out."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

from training.labels.curation.decide import decide, label
from training.labels.curation.evidence import Evidence
from training.labels.curation.parameter import resolve
from training.labels.curation.reference import references
from training.labels.curation.specimen import Conflict, LabelSet, Tallies
from training.labels.sources.record import Item, Record, Skipped


class Curation:
    """Takes records one by one; nothing is decided before all are in, since wild types give the ranges."""

    def __init__(self) -> None:
        self._specimens: dict[str, Evidence] = {}
        self._tallies = Tallies()

    def add(self, item: Item) -> None:
        """Take one item of a source. A record twice changes counts of records, never labels."""
        if isinstance(item, Skipped):
            self._skip(item)
            return
        self._tallies.records += 1
        parameter, reason = resolve(item.parameter_stable_id)
        if parameter is None:
            self._tallies.ignored[reason, item.parameter_stable_id] += 1
        if parameter is not None or reason == "not_an_observation":
            self._take(item, scored=parameter is not None)

    def finish(self) -> LabelSet:
        """The labels of all specimens that an X-ray procedure was done on."""
        tallies = replace(self._tallies, states=Counter(), missing=Counter(), unreadable=Counter())
        ranges = references(self._specimens.values())
        conflicts: list[Conflict] = []
        specimens = []
        for specimen_id, evidence in sorted(self._specimens.items()):
            decision = decide(specimen_id, evidence, ranges)
            conflicts.extend(decision.conflicts)
            specimens.append(label(decision, evidence))
            tallies.states.update(decision.states.items())
            tallies.missing.update(decision.missing)
            tallies.unreadable.update((decision.centre, *value) for value in decision.unreadable)
        return LabelSet(tuple(specimens), tuple(sorted(conflicts)), ranges.estimated, ranges.too_few, tallies)

    def _take(self, record: Record, *, scored: bool) -> None:
        evidence = self._specimens.setdefault(record.specimen_id, Evidence())
        evidence.identify(record)
        if scored:
            evidence.add(record)

    def _skip(self, item: Skipped) -> None:
        tallies = self._tallies
        tallies.skipped[item.reason] += 1
        first = tallies.skipped_first.get(item.reason)
        tallies.skipped_first[item.reason] = min(first, (item.place, item.words)) if first else (item.place, item.words)
