"""What all events share, and the one way from bytes to an event."""

from __future__ import annotations

import hashlib
import json
import unicodedata
from datetime import UTC, datetime
from typing import Annotated, Any, Final, Literal, TypeVar

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, JsonValue, ValidationError

from services.common.errors import Rejected

SCHEMA_VERSION: Final = 1
_WORST_FIRST: Final = ("schema_version_unsupported", "id_empty", "id_too_long", "field_missing", "field_invalid")


def _printable(text: str) -> str:
    if any(unicodedata.category(character) == "Cc" for character in text):
        msg = "control characters are not allowed"
        raise ValueError(msg)
    return text


def _not_blank(text: str) -> str:
    if not text.strip():
        msg = "must not be blank"
        raise ValueError(msg)
    return text


Text = Annotated[str, AfterValidator(_printable)]
SpecimenId = Annotated[str, Field(min_length=1, max_length=512), AfterValidator(_printable), AfterValidator(_not_blank)]
"""`biological_sample_id`: the join key of all events of an animal. Compared exactly; never trimmed or normalised."""
Centre = Annotated[str, Field(min_length=1, max_length=64), AfterValidator(_printable), AfterValidator(_not_blank)]
Person = Annotated[str, Field(min_length=1, max_length=128), AfterValidator(_printable), AfterValidator(_not_blank)]
Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
View = Literal["DV", "LAT"]
Probability = Annotated[float, Field(ge=0, le=1)]
Binary = Annotated[int, Field(ge=0, le=1)]
Moment = Annotated[datetime, AfterValidator(lambda moment: moment if moment.tzinfo else moment.replace(tzinfo=UTC))]
"""A point in time; one without an offset is read as UTC."""


def now() -> datetime:
    """Return the present moment in UTC."""
    return datetime.now(UTC)


class Event(BaseModel):
    """Base of every value on a topic. Unknown fields are ignored, so that producers may add some."""

    model_config = ConfigDict(frozen=True, extra="ignore", allow_inf_nan=False)

    schema_version: Literal[1] = SCHEMA_VERSION

    @property
    def key(self) -> str:
        """Message key; decides the partition."""
        raise NotImplementedError

    def encode(self) -> bytes:
        """JSON in UTF-8, fields in the order of the model."""
        return self.model_dump_json().encode()


def digest(*parts: JsonValue) -> str:
    """SHA-256 (hex) of a JSON list, so that neighbouring parts can never run together."""
    return hashlib.sha256(json.dumps(parts, ensure_ascii=False, separators=(",", ":")).encode()).hexdigest()


SomeEvent = TypeVar("SomeEvent", bound=Event)


def parse_event(event_type: type[SomeEvent], value: bytes | None) -> SomeEvent:
    """Read one event.

    Raises Rejected with the reason `value_missing`, `json_invalid`, `schema_version_unsupported`, `id_empty`,
    `id_too_long`, `field_missing` or `field_invalid`; `details["fields"]` names every offending field.
    """
    if not value:
        raise Rejected("value_missing", "the message has no value")
    try:
        return event_type.model_validate_json(value)
    except ValidationError as error:
        problems = error.errors(include_url=False, include_context=False, include_input=False)
    raise _rejection(event_type.__name__, [dict(problem) for problem in problems])


def _rejection(name: str, problems: list[dict[str, Any]]) -> Rejected:
    reasons = sorted({_reason(problem) for problem in problems}, key=_rank)
    fields = {".".join(map(str, problem["loc"])) or "value": str(problem["msg"]) for problem in problems}
    listing = "; ".join(f"{field}: {message}" for field, message in sorted(fields.items()))
    return Rejected(reasons[0], f"not a valid {name}: {listing}"[:1000], fields=fields)


def _rank(reason: str) -> int:
    return -1 if reason == "json_invalid" else _WORST_FIRST.index(reason)


def _reason(problem: dict[str, Any]) -> str:
    kind, location = problem["type"], problem["loc"]
    if kind == "json_invalid":
        return "json_invalid"
    if location == ("schema_version",):
        return "schema_version_unsupported"
    if kind == "missing":
        return "field_missing"
    if location == ("biological_sample_id",) and kind in {"string_too_short", "value_error"}:
        return "id_empty" if "control" not in problem["msg"] else "field_invalid"
    if location == ("biological_sample_id",) and kind == "string_too_long":
        return "id_too_long"
    return "field_invalid"
