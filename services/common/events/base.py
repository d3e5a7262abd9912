"""The base class and field types that all events share, and the function that parses bytes into an event."""

import hashlib
import json
import unicodedata
from datetime import UTC, datetime
from typing import Annotated, Any, Final, Literal, TypeVar

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, JsonValue, ValidationError
from pydantic_core import PydanticCustomError

from services.common.errors import Rejected

SCHEMA_VERSION: Final = 1
_LONGEST_CENTRE: Final = 80
"""Bytes in UTF-8. The name is part of the keys in object storage, where a byte takes up to three characters."""
_WORST_FIRST: Final = (
    "schema_version_unsupported",
    "id_empty",
    "id_placeholder",
    "id_too_long",
    "field_missing",
    "field_invalid",
)
PLACEHOLDER_IDS: Final = frozenset(
    (".", "n/a", "na", "nan", "nil", "none", "null", "tba", "tbc", "tbd", "test", "undefined", "unknown")
)
"""Texts that stand for a missing id, in lower case. So do texts of zeros or of `-_?*#` only."""


def _printable(text: str) -> str:
    if any(unicodedata.category(character) in {"Cc", "Cs"} for character in text):
        msg = "control characters and lone surrogates are not allowed"
        raise ValueError(msg)
    return text


def _not_blank(text: str) -> str:
    if not text.strip():
        msg = "must not be blank"
        raise ValueError(msg)
    return text


def _not_placeholder(text: str) -> str:
    """Refuse an id that many animals would share: their pictures would become one specimen."""
    bare = text.strip().casefold()
    if bare in PLACEHOLDER_IDS or set(bare) <= {"0"} or set(bare) <= set("-_?*#"):
        kind = "id_placeholder"
        raise PydanticCustomError(kind, "stands for a missing id; give the biological_sample_id of the animal")
    return text


def _short_in_bytes(text: str) -> str:
    if len(text.encode()) > _LONGEST_CENTRE:
        msg = f"must be at most {_LONGEST_CENTRE} bytes in UTF-8"
        raise ValueError(msg)
    return text


def _moment(moment: datetime) -> datetime:
    """Refuse a time outside the years 1 to 9999 of UTC: PostgreSQL stores it, and every later read of it fails."""
    aware = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    try:
        aware.astimezone(UTC)
    except OverflowError as error:
        msg = "must be within the years 1 to 9999 in UTC"
        raise ValueError(msg) from error
    return aware


def _finite(values: dict[str, JsonValue]) -> dict[str, JsonValue]:
    """Refuse infinities and NaN at any depth: JSON such as 1e400 is read as one, and PostgreSQL cannot store it."""
    json.dumps(values, allow_nan=False)
    return values


Text = Annotated[str, AfterValidator(_printable)]
SpecimenId = Annotated[
    str,
    Field(
        min_length=1,
        max_length=512,
        description="The animal: IMPC's biological_sample_id, compared exactly. The key of all events of the animal.",
    ),
    AfterValidator(_printable),
    AfterValidator(_not_blank),
    AfterValidator(_not_placeholder),
]
"""The join key of all events of an animal. It is never trimmed or normalised."""
Centre = Annotated[
    str,
    Field(
        min_length=1,
        max_length=64,
        description="Phenotyping centre that announced the images, as the centre writes its own name.",
    ),
    AfterValidator(_printable),
    AfterValidator(_not_blank),
    AfterValidator(_short_in_bytes),
]
Person = Annotated[str, Field(min_length=1, max_length=128), AfterValidator(_printable), AfterValidator(_not_blank)]
Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
JsonObject = Annotated[dict[str, JsonValue], AfterValidator(_finite)]
View = Literal["DV", "LAT"]
Probability = Annotated[float, Field(ge=0, le=1)]
Binary = Annotated[int, Field(ge=0, le=1)]
Moment = Annotated[datetime, AfterValidator(_moment)]
"""A point in time. A time without an offset is read as UTC."""
ProducedAt = Annotated[Moment, Field(description="When this event was created.")]
AnnouncedAt = Annotated[
    Moment, Field(description="When the newest image that this event is based on reached the broker.")
]
ImageDigest = Annotated[Sha256, Field(description="SHA-256 (hex) of the bytes of the image file.")]
PreprocessingVersion = Annotated[Text, Field(description="Version of the processing applied to the pixels.")]
PreprocessingGeneration = Annotated[
    int,
    Field(
        ge=1,
        description="Number that rises with every preprocessing version. A call of a higher generation is newer, "
        "whatever its `revision`.",
    ),
]
Revision = Annotated[
    int,
    Field(
        ge=2,
        description="Number of objects that were stored for the specimen: views, their flags, statements about the "
        "animal, withdrawals. It only grows, so a higher revision is newer.",
    ),
]
TensorKey = Annotated[
    Text, Field(description="Key of the fused tensor (.npy, uint8 [side, side, 3]) in object storage.")
]
TensorDigest = Annotated[Sha256, Field(description="SHA-256 (hex) of the stored tensor file.")]


def now() -> datetime:
    """Return the current time in UTC."""
    return datetime.now(UTC)


class Event(BaseModel):
    """Base of every value on a topic. Unknown fields are ignored, so that producers may add fields."""

    model_config = ConfigDict(frozen=True, extra="ignore", allow_inf_nan=False)

    schema_version: Literal[1] = Field(
        SCHEMA_VERSION, description="Version of this schema. It rises when a field that readers need changes."
    )

    @property
    def key(self) -> str:
        """Message key, which determines the partition."""
        raise NotImplementedError

    def encode(self) -> bytes:
        """Return JSON in UTF-8, with the fields in the order of the model."""
        return self.model_dump_json().encode()


def digest(*parts: JsonValue) -> str:
    """Return the SHA-256 (hex) of a JSON list of the parts. The list keeps neighbouring parts apart."""
    return hashlib.sha256(json.dumps(parts, ensure_ascii=False, separators=(",", ":")).encode()).hexdigest()


SomeEvent = TypeVar("SomeEvent", bound=Event)


def parse_event(event_type: type[SomeEvent], value: bytes | None) -> SomeEvent:
    """Parse one event.

    Raises Rejected with the reason `value_missing`, `json_invalid`, `schema_version_unsupported`, `id_empty`,
    `id_placeholder`, `id_too_long`, `field_missing` or `field_invalid`; `details["fields"]` names every invalid field.
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


_CODES: Final = {"json_invalid": "json_invalid", "missing": "field_missing", "id_placeholder": "id_placeholder"}
"""Reasons of those of pydantic's error types that need no look at the field."""


def _reason(problem: dict[str, Any]) -> str:
    kind, location = problem["type"], problem["loc"]
    if kind in _CODES:
        return _CODES[kind]
    if location == ("schema_version",):
        return "schema_version_unsupported"
    if location == ("biological_sample_id",) and kind in {"string_too_short", "value_error"}:
        return "id_empty" if "control" not in problem["msg"] else "field_invalid"
    if location == ("biological_sample_id",) and kind == "string_too_long":
        return "id_too_long"
    return "field_invalid"
