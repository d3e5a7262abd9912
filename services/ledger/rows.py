"""From an event to its row. Column names are the event's field names."""

import base64
import binascii
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from struct import Struct
from typing import Any, Final, Literal, TypeVar

from psycopg.types.json import Json, Jsonb

from services.common.errors import Rejected
from services.common.events import (
    CallAbstention,
    CallWithdrawal,
    Event,
    ImageEvent,
    ImageWithdrawal,
    PhenotypeCall,
    Rejection,
    Review,
    ShadowCall,
    ViewReady,
    image_kind,
)
from services.common.loop import Record

Table = Literal[
    "image",
    "view",
    "image_view",
    "call",
    "call_abstention",
    "call_output",
    "call_withdrawal",
    "withdrawal",
    "shadow_call",
    "review",
    "rejection",
]
Row = Mapping[str, Any]

_NOT_STORED: Final = {"schema_version", "status"}


@dataclass(frozen=True)
class SpecimenUpdate:
    """What one event contributes to its specimen's row; a call shows that the set of views is complete."""

    biological_sample_id: str
    centre: str
    announced_at: datetime
    complete_since: datetime | None = None


@dataclass(frozen=True)
class LedgerRow:
    """One row of the ledger, the update of its specimen's row, and for a call the rows of the models' outputs."""

    table: Table
    row: Row
    specimen: SpecimenUpdate | None = None
    outputs: tuple[Row, ...] = ()


def row_of(record: Record[Event]) -> LedgerRow:  # noqa: PLR0911 - one per event
    """Return the row for a record.

    Raises Rejected(`original_invalid`) for a rejection whose original bytes are not base64.
    """
    event = record.event
    match event:
        case ImageEvent():
            update = SpecimenUpdate(event.biological_sample_id, event.centre, record.timestamp)
            return LedgerRow("image", _image(event, record), update)
        case ViewReady():
            update = SpecimenUpdate(event.biological_sample_id, event.centre, event.announced_at)
            return LedgerRow("view", _view(event), update)
        case PhenotypeCall() | CallAbstention():
            return _call(event)
        case CallWithdrawal():
            return LedgerRow("call_withdrawal", _columns(event))
        case ImageWithdrawal():
            return LedgerRow("withdrawal", _columns(event) | {"withdrawal_id": event.withdrawal_id})
        case Review():
            return LedgerRow("review", _columns(event, "verdicts") | {"review_id": event.review_id})
        case ShadowCall():
            return LedgerRow("shadow_call", _columns(_without_outputs(event), "versions", "consensus", "models"))
        case Rejection():
            return LedgerRow("rejection", _rejection(event))
    msg = f"the ledger has no table for {type(event).__name__}"
    raise TypeError(msg)


def storable(value: Any) -> Any:
    """Replace U+0000, which PostgreSQL cannot store, by its symbol U+2400, at any depth; tuples become lists."""
    if isinstance(value, str):
        return value.replace("\0", "\N{SYMBOL FOR NULL}")
    if isinstance(value, list | tuple):
        return [storable(item) for item in value]
    if isinstance(value, dict):
        return {storable(name): storable(item) for name, item in value.items()}
    return value


def _columns(event: Event, *jsonb: str) -> dict[str, Any]:
    dumped: dict[str, Any] = storable(event.model_dump(exclude=_NOT_STORED))
    return {name: Jsonb(value) if name in jsonb and value is not None else value for name, value in dumped.items()}


_OUTPUTS: Final = ("scores", "features", "unfamiliar")
_REAL: Final = Struct("<f")
_LARGEST_REAL: Final = 3e38
SomeCall = TypeVar("SomeCall", bound=PhenotypeCall | CallAbstention | ShadowCall)


def _call(event: PhenotypeCall | CallAbstention) -> LedgerRow:
    update = SpecimenUpdate(event.biological_sample_id, event.centre, event.announced_at, event.announced_at)
    columns = _columns(_without_outputs(event), "consensus", "models", "views", "animal", "reference")
    outputs = tuple(
        {"call_id": event.call_id, "model": storable(one.model), "version": one.version}
        | {name: _numbers(getattr(one, name)) for name in _OUTPUTS}
        for one in event.models
        if any(getattr(one, name) is not None for name in _OUTPUTS)
    )
    table: Table = "call" if isinstance(event, PhenotypeCall) else "call_abstention"
    return LedgerRow(table, columns, update, outputs)


def _without_outputs(event: SomeCall) -> SomeCall:
    """Leave out the outputs of the models, which have a table of their own as arrays of four bytes per number."""
    bare = tuple(one.model_copy(update=dict.fromkeys(_OUTPUTS)) for one in event.models)
    copied: SomeCall = event.model_copy(update={"models": bare})  # type: ignore[assignment]  # of a bound union
    return copied


def _numbers(value: tuple[float, ...] | float | None) -> list[float] | float | None:
    """Round to four bytes per number, since PostgreSQL refuses a number that its `real` cannot hold."""
    if value is None:
        return None
    return [_real(one) for one in value] if isinstance(value, tuple) else _real(value)


def _real(value: float) -> float:
    (rounded,) = _REAL.unpack(_REAL.pack(max(-_LARGEST_REAL, min(value, _LARGEST_REAL))))
    return float(rounded)


def _image(event: ImageEvent, record: Record[Event]) -> Row:
    return {
        "event_id": event.event_id,
        "kind": _kind(event.parameter_stable_id),
        "announced_at": record.timestamp,
        "kafka_partition": record.partition,
        "kafka_offset": record.offset,
    } | _columns(event.model_copy(update={"image_uri": event.shown_uri}), "metadata", "animal")


def _view(event: ViewReady) -> Row:
    columns = _columns(event, "scores", "animal")
    return columns | {"provenance": Json(columns["provenance"])}


def _kind(parameter_stable_id: str) -> str:
    try:
        return image_kind(parameter_stable_id)
    except Rejected:
        return "unknown"  # intake rejects the image; the announcement is recorded nevertheless


def _rejection(event: Rejection) -> Row:
    columns = _columns(event, "headers")
    return columns | {
        "details": Json(columns["details"]),
        "original_key": _decoded("original_key", event.original_key),
        "original": _decoded("original", event.original),
    }


def _decoded(name: str, encoded: str | None) -> bytes | None:
    try:
        return None if encoded is None else base64.b64decode(encoded, validate=True)
    except (binascii.Error, ValueError) as error:
        raise Rejected("original_invalid", f"{name} is not base64: {error}") from error
