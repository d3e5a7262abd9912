"""What the ledger must hold after a round: what an undisturbed pass of the same submissions gave, under other ids."""

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from services.chaos.stream import Outgoing, RoundStream
from services.chaos.system import Position
from services.classifier.referencing import ServingReference
from services.classifier.service import call_id, decided_by
from services.common.events import TensorReady
from services.common.model_card import ModelCard
from services.common.topics import IMAGES
from services.ledger.database import Connection, mappings
from services.registry.repository import ModelRepository

_TOLERANCE: Final = 1e-4
"""The last digits of a probability may depend on the batch in which it was computed (docs/delivery.md)."""
_CALLS: Final = """
    select biological_sample_id, call_id, activation, centre, revision, preprocessing_version,
           preprocessing_generation, labels, vector, abnormal, abnormal_elsewhere, consensus, models, uncertain,
           disagreement, tensor_key, tensor_sha256, views, set_card
    from current_call where biological_sample_id = any(%(specimens)s)
"""
_VIEWS: Final = """
    select biological_sample_id, view, image_sha256, centre, parameter_stable_id, view_key, view_sha256, original_key,
           scores, flags, image_uri
    from view where biological_sample_id = any(%(specimens)s) order by view, image_sha256
"""
_IMAGES: Final = """
    select biological_sample_id, count(*) as images from image where biological_sample_id = any(%(specimens)s)
    group by biological_sample_id
"""
_REJECTIONS: Final = "select stage, reason, source_topic, source_partition, source_offset from rejection"
_PER_CALL: Final = ("call_id", "activation")
Versions = frozenset[tuple[str, int]]
"""The version of every model that made a call."""
Refusal = tuple[str, str, int, int]
"""Stage, topic, partition and offset of a rejected record."""


@dataclass(frozen=True)
class LedgerRows:
    """The rows of some specimens, and every rejection, by where the record was, with its reason."""

    calls: Mapping[str, Mapping[str, Any]]
    views: Mapping[str, tuple[Mapping[str, Any], ...]]
    images: Mapping[str, int]
    rejections: Mapping[Refusal, str]


def rows_of(connection: Connection, specimens: Sequence[str]) -> LedgerRows:
    """Read the ledger; raises Retriable when it is away."""
    chosen = list(specimens)
    calls = {row["biological_sample_id"]: row for row in mappings(connection, _CALLS, specimens=chosen)}
    views = [*mappings(connection, _VIEWS, specimens=chosen)]
    return LedgerRows(
        calls,
        {one: tuple(row for row in views if row["biological_sample_id"] == one) for one in specimens},
        {row["biological_sample_id"]: row["images"] for row in mappings(connection, _IMAGES, specimens=chosen)},
        {
            (row["stage"], row["source_topic"], row["source_partition"], row["source_offset"]): row["reason"]
            for row in mappings(connection, _REJECTIONS)
        },
    )


@dataclass
class Oracle:
    """What an undisturbed pass gave by submission (and versions, for a call), and all rejections expected so far."""

    repository: ModelRepository
    calls: dict[tuple[str, Versions], Any] = field(default_factory=dict)
    views: dict[str, Any] = field(default_factory=dict)
    expected: dict[Refusal, str] = field(default_factory=dict)
    late: dict[Refusal, str] = field(default_factory=dict)
    """Rejections that come once a record has waited on a retry topic."""

    def learn(self, stream: RoundStream, rows: LedgerRows) -> None:
        """Take the rows of an undisturbed pass as the truth about its submissions."""
        for specimen, submission in stream.specimens.items():
            name = submission.biological_sample_id
            call = rows.calls[specimen]
            self.calls[name, versions_of(call)] = _neutral(call, specimen)
            self.views[name] = _neutral(rows.views[specimen], specimen)

    def expect(self, records: Sequence[Outgoing], positions: Sequence[Position]) -> None:
        """Expect the rejections of the records that were sent to these positions."""
        for record, position in zip(records, positions, strict=True):
            if record.reason is not None:
                where = ("intake", IMAGES.name, *position)
                (self.late if record.late else self.expected)[where] = record.reason

    def missing(self, stream: RoundStream, rows: LedgerRows, *, late: bool = False) -> list[str]:
        """Return what has no outcome yet."""
        calls = [f"the call of {one}" for one in stream.specimens if one not in rows.calls]
        refused = self.expected | (self.late if late else {})
        return calls + [
            f"the rejection {reason} of {where}" for where, reason in refused.items() if where not in rows.rejections
        ]

    def differences(self, stream: RoundStream, rows: LedgerRows, activations: Sequence[int]) -> list[str]:
        """Return every difference from an undisturbed pass; the calls may have any of these activations."""
        found = [text for one in stream.specimens for text in self._of_specimen(one, stream, rows, activations)]
        allowed = self.expected | self.late
        for where, reason in rows.rejections.items():
            if allowed.get(where) != reason:
                found.append(f"{where} was rejected for {reason}, expected {allowed.get(where, 'no rejection')}")
        return found

    def _of_specimen(
        self, specimen: str, stream: RoundStream, rows: LedgerRows, activations: Sequence[int]
    ) -> Iterator[str]:
        submission, call = stream.specimens[specimen], rows.calls[specimen]
        name = submission.biological_sample_id
        if call["activation"] not in activations:
            yield f"the call of {specimen} has activation {call['activation']}, expected one of {activations}"
        if call["call_id"] != self.call_id(call):
            yield f"the call of {specimen} has another id than its content"
        known = self.calls.get((name, versions_of(call)))
        if known is None:
            yield f"the call of {specimen} was made by {sorted(versions_of(call))}"
        elif differing := _differing(known, _neutral(call, specimen)):
            yield f"the call of {specimen} (as {name}) differs: {differing}"
        if differing := _differing(self.views[name], _neutral(rows.views[specimen], specimen)):
            yield f"the views of {specimen} (as {name}) differ: {differing}"
        if rows.images.get(specimen) != len(submission.pictures):
            yield f"{specimen} has {rows.images.get(specimen)} images, {len(submission.pictures)} were announced"

    def call_id(self, call: Mapping[str, Any]) -> str:
        """Return the id that follows from a call's content and the cards of its models."""
        names = ("biological_sample_id", "revision", "tensor_key", "tensor_sha256")
        event = TensorReady.model_construct(**{name: call[name] for name in names})
        cards = [self._card(one["model"], int(one["version"])) for one in call["models"]]
        return call_id(event, call["activation"], decided_by(cards, call["set_card"], ServingReference()))

    def _card(self, model: str, version: int) -> ModelCard:
        return ModelCard.model_validate_json(self.repository.card_text(model, version) or "")


def versions_of(call: Mapping[str, Any]) -> Versions:
    """Return which version of each model made a call."""
    return frozenset((one["model"], int(one["version"])) for one in call["models"])


def _neutral(rows: Any, specimen: str) -> Any:
    """Return rows as JSON without what belongs to one specimen or activation only."""
    text = json.dumps(rows, default=str).replace(specimen, "SPECIMEN")
    return _without(json.loads(text))


def _without(value: Any) -> Any:
    return {key: one for key, one in value.items() if key not in _PER_CALL} if isinstance(value, dict) else value


def _differing(expected: Any, found: Any, where: str = "") -> str | None:
    """Return where two JSON values differ, None if they are equal up to the last digits of numbers."""
    if isinstance(expected, dict) and isinstance(found, dict) and expected.keys() == found.keys():
        pairs = ((f"{where}.{key}", expected[key], found[key]) for key in expected)
    elif isinstance(expected, list) and isinstance(found, list) and len(expected) == len(found):
        pairs = ((f"{where}[{index}]", *pair) for index, pair in enumerate(zip(expected, found, strict=True)))
    elif isinstance(expected, float) and isinstance(found, float):
        return None if math.isclose(expected, found, abs_tol=_TOLERANCE) else f"{where}: {expected} became {found}"
    else:
        return None if expected == found else f"{where}: {expected!r} became {found!r}"[:500]
    return next((text for name, one, other in pairs if (text := _differing(one, other, name))), None)
