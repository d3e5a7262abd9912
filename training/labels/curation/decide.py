"""Curation: takes records in any order, decides the state of each observation, and derives each specimen's labels."""

from collections import Counter, defaultdict
from dataclasses import dataclass, field, replace
from typing import Final

from services.common.labels import CALL_LABELS
from services.common.observations import call_vector, observation
from training.labels.curation.evidence import Evidence, References, only, references
from training.labels.curation.specimen import Conflict, Disagreement, Exclusion, LabelSet, SpecimenLabels, Tallies
from training.labels.curation.verdict import (
    Verdict,
    is_measured,
    judge,
    labels_left_open,
    labels_of_term,
    number,
    resolve,
)
from training.labels.sources.record import Item, ObservationRecord, Skipped


class Curation:
    """Takes records one by one. It decides after the last one, because wild types determine the reference ranges."""

    def __init__(self) -> None:
        self._specimens: dict[str, Evidence] = {}
        self._tallies = Tallies()

    def add(self, item: Item) -> None:
        """Take one item of a source. A duplicate record changes the count of records, but never labels."""
        if isinstance(item, Skipped):
            self._skip(item)
            return
        self._tallies.records += 1
        parameter, reason = resolve(item.parameter_stable_id)
        if parameter is None:
            self._tallies.ignored[reason, item.parameter_stable_id] += 1
        if parameter is not None or reason == "not_an_observation":
            self._keep(item, scored=parameter is not None)

    def finish(self) -> LabelSet:
        """The labels of all specimens with a record of an X-ray procedure."""
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

    def _keep(self, record: ObservationRecord, *, scored: bool) -> None:
        evidence = self._specimens.setdefault(record.specimen_id, Evidence())
        evidence.identify(record)
        if scored:
            evidence.add(record)

    def _skip(self, item: Skipped) -> None:
        tallies = self._tallies
        tallies.skipped[item.reason] += 1
        first = tallies.skipped_first.get(item.reason)
        here = item.location, item.message
        tallies.skipped_first[item.reason] = min(first, here) if first else here


CONFLICT: Final = "conflict"
NO_CALL: Final = (0,) * len(CALL_LABELS)
UNKNOWN: Final = (False,) * len(CALL_LABELS)


@dataclass(slots=True)
class SpecimenCuration:
    """Decisions about one specimen: the state of each observation that was sent, and the reasons."""

    specimen_id: str
    centre: str
    states: dict[str, str] = field(default_factory=dict)
    terms: set[str] = field(default_factory=set)
    missing: list[str] = field(default_factory=list)
    unreadable: list[tuple[str, str]] = field(default_factory=list)
    conflicts: list[Conflict] = field(default_factory=list)

    def disagree(self, kind: Disagreement, parameter: str, sent: tuple[str, ...]) -> None:
        """Record that the specimen's records disagree."""
        self.conflicts.append(Conflict(kind, self.centre, self.specimen_id, parameter, sent))


def decide(specimen_id: str, evidence: Evidence, ranges: References) -> SpecimenCuration:
    """Judge every value of one specimen."""
    decision = SpecimenCuration(specimen_id, only(evidence.centres) or "")
    if evidence.identities:
        decision.disagree(Disagreement.IDENTITY, "", evidence.identities)
    stages: defaultdict[str, dict[str, str]] = defaultdict(dict)
    for identifier in sorted({*evidence.values, *evidence.missing}):
        parameter, _ = resolve(identifier)
        if parameter is not None:
            stages[parameter][identifier] = _state(decision, evidence, identifier, parameter, ranges)
    for parameter, states in stages.items():
        decision.states[parameter] = _union(decision, parameter, states)
    return decision


def _state(decision: SpecimenCuration, evidence: Evidence, identifier: str, parameter: str, ranges: References) -> str:
    """State of one parameter: any value overrides a missing one, and an unreadable value overrides a normal one."""
    decision.missing.extend(evidence.missing.get(identifier, ()))
    verdicts: defaultdict[Verdict, list[str]] = defaultdict(list)
    reference = ranges.of(evidence, parameter)
    for value in evidence.values.get(identifier, ()):
        judged = judge(parameter, value, reference)
        verdicts[judged.verdict].append(value)
        decision.terms.update(judged.terms)
        if judged.verdict is Verdict.UNREADABLE:
            decision.unreadable.append((identifier, value))
        elif judged.verdict is Verdict.MISSING:
            decision.missing.append(judged.reason)
    if verdicts[Verdict.NORMAL] and verdicts[Verdict.ABNORMAL]:
        decision.disagree(Disagreement.VERDICTS, identifier, evidence.values[identifier])
        return CONFLICT
    scored = verdicts[Verdict.NORMAL] + verdicts[Verdict.ABNORMAL]
    if len(_different(parameter, scored)) > 1:
        decision.disagree(Disagreement.VALUES, identifier, tuple(scored))
    order = (Verdict.ABNORMAL, Verdict.UNREADABLE, Verdict.NORMAL)
    return next((verdict for verdict in order if verdicts[verdict]), Verdict.MISSING)


def _different(parameter: str, scored: list[str]) -> set[str | float | None]:
    """The values that truly differ: `13` and `13.0` do not, nor do several terms of free ontology."""
    row = observation(parameter)
    if is_measured(row):
        return {number(row, value) for value in scored}
    return set() if row.value_type == "TEXT" else {value.casefold() for value in scored}


def _union(decision: SpecimenCuration, parameter: str, states: dict[str, str]) -> str:
    """State of an observation over all its life stages."""
    found = set(states.values())
    if {Verdict.NORMAL, Verdict.ABNORMAL} <= found:
        sent = tuple(f"{identifier}: {state}" for identifier, state in sorted(states.items()))
        decision.disagree(Disagreement.LIFE_STAGES, parameter, sent)
    order = (CONFLICT, Verdict.ABNORMAL, Verdict.UNREADABLE, Verdict.NORMAL, Verdict.MISSING)
    return next(state for state in order if state in found)


def label(decision: SpecimenCuration, evidence: Evidence) -> SpecimenLabels:
    """Derive a specimen's labels from the states of its observations (rules: docs/labels.md)."""
    abnormal = tuple(sorted(name for name, state in decision.states.items() if state == Verdict.ABNORMAL))
    call = _call(abnormal, decision.terms)
    exclusion = _exclusion(decision, abnormal, call)
    level1: int | None = int(bool(abnormal))
    scored = _scored(decision, call)
    if exclusion not in {None, Exclusion.ELSEWHERE}:
        level1, call, scored = None, NO_CALL, UNKNOWN
    return SpecimenLabels(
        specimen_id=decision.specimen_id,
        centre=only(evidence.centres),
        strain=only(evidence.strains),
        group=only(evidence.groups),
        level1=level1,
        call=call,
        scored=scored,
        abnormal=abnormal,
        exclusion=exclusion,
    )


def _call(abnormal: tuple[str, ...], terms: set[str]) -> tuple[int, ...]:
    of_terms = {label for term in terms for label in labels_of_term(term)}
    of_rows = call_vector(abnormal)
    return tuple(int(entry or name in of_terms) for name, entry in zip(CALL_LABELS, of_rows, strict=True))


def _exclusion(decision: SpecimenCuration, abnormal: tuple[str, ...], call: tuple[int, ...]) -> Exclusion | None:
    states = set(decision.states.values())
    if any(conflict.kind is Disagreement.IDENTITY for conflict in decision.conflicts):
        return Exclusion.IDENTITY
    if CONFLICT in states:
        return Exclusion.CONFLICT
    if abnormal:
        return None if any(call) else Exclusion.ELSEWHERE
    if Verdict.UNREADABLE in states:
        return Exclusion.UNREADABLE
    return None if Verdict.NORMAL in states else Exclusion.NOTHING_SCORED


def _scored(decision: SpecimenCuration, call: tuple[int, ...]) -> tuple[bool, ...]:
    """Which labels are known: those that are set, and those scored normal that nothing leaves open."""
    normal = _labels_behind({name for name, state in decision.states.items() if state == Verdict.NORMAL})
    known = normal - _left_open(decision)
    return tuple(bool(entry) or name in known for name, entry in zip(CALL_LABELS, call, strict=True))


def _left_open(decision: SpecimenCuration) -> set[str]:
    """The labels that an unreadable value or an ambiguous term may mean."""
    found = {name for term in decision.terms for name in labels_left_open(term)}
    for identifier, _ in decision.unreadable:
        parameter, _ = resolve(identifier)
        if parameter is not None:
            # Unreadable free ontology may have meant any label.
            found |= set(CALL_LABELS) if observation(parameter).level2 is None else _labels_behind({parameter})
    return found


def _labels_behind(parameters: set[str]) -> set[str]:
    """The labels that the given observations would set if they were abnormal."""
    return {name for name, entry in zip(CALL_LABELS, call_vector(parameters), strict=True) if entry}
