import json
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from deploy.schemas.examples import examples_of
from services.common.errors import Rejected
from services.common.events import Event, ImageEvent, Rejection, image_kind, parse_event
from services.common.topics import TOPICS
from tests.common.strategies import every_event, image_events, json_values

VALID: dict[str, Any] = {
    "biological_sample_id": "183808",
    "centre": "JAX",
    "parameter_stable_id": "IMPC_XRY_034_001",
    "image_uri": "s3://xray/originals/a.dcm",
}
PLACEHOLDERS = ("NA", "N/A", "nan", " Unknown ", "TEST", "None", "null", "0", "000", "-", "--", "?", ".", "n/a\u00a0")


@settings(max_examples=300, suppress_health_check=[HealthCheck.too_slow], deadline=None)
@given(every_event)
def test_every_event_survives_serialisation(event: Event) -> None:
    assert parse_event(type(event), event.encode()) == event


@settings(max_examples=100, suppress_health_check=[HealthCheck.too_slow], deadline=None)
@given(every_event, st.dictionaries(st.text(min_size=1).map("added_".__add__), json_values, min_size=1))
def test_unknown_fields_never_break_a_consumer(event: Event, added: dict[str, Any]) -> None:
    assert parse_event(type(event), json.dumps(json.loads(event.encode()) | added).encode()) == event


@settings(max_examples=300)
@given(st.binary(max_size=300))
def test_any_bytes_give_an_event_or_a_reason(value: bytes) -> None:
    for topic in TOPICS:
        with pytest.raises(Rejected) as caught:
            parse_event(topic.event, value)
        assert caught.value.reason in {"value_missing", "json_invalid", "field_missing", "field_invalid"}


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"biological_sample_id": ""}, "id_empty"),
        ({"biological_sample_id": "  "}, "id_empty"),
        *(({"biological_sample_id": text}, "id_placeholder") for text in PLACEHOLDERS),
        ({"biological_sample_id": "x" * 10_000}, "id_too_long"),
        ({"biological_sample_id": "a\x00b"}, "field_invalid"),
        ({"biological_sample_id": 183808}, "field_invalid"),
        ({"schema_version": 2}, "schema_version_unsupported"),
        ({"schema_version": 2, "biological_sample_id": 5}, "schema_version_unsupported"),
        ({"centre": None}, "field_invalid"),
        ({"image_uri": "file:///etc/passwd"}, "field_invalid"),
        ({"image_uri": "s3://bucket"}, "field_invalid"),
        ({"sha256": "abc"}, "field_invalid"),
        ({"acquired_at": "yesterday"}, "field_invalid"),
        ({"acquired_at": "0001-01-01T00:00:00+14:00"}, "field_invalid"),
        ({"acquired_at": "9999-12-31T23:59:59-14:00"}, "field_invalid"),
    ],
)
def test_wrong_fields_have_a_reason_and_are_named(change: dict[str, Any], reason: str) -> None:
    with pytest.raises(Rejected) as caught:
        parse_event(ImageEvent, json.dumps(VALID | change).encode())
    assert caught.value.reason == reason
    fields = caught.value.details["fields"]
    assert isinstance(fields, dict)
    assert set(change) & set(fields)


@pytest.mark.parametrize(
    "text", ["183808", "0a", "10", "NA12", "test 1", "unknown-3", "m", "ü", "M-00442.1/2", "0-0", "0.1", "🐭"]
)
def test_ids_that_only_look_like_placeholders_are_accepted(text: str) -> None:
    assert parse_event(ImageEvent, json.dumps(VALID | {"biological_sample_id": text}).encode()).key == text


@pytest.mark.parametrize("missing", sorted(VALID))
def test_each_required_field_is_required(missing: str) -> None:
    value = json.dumps({name: field for name, field in VALID.items() if name != missing}).encode()
    with pytest.raises(Rejected) as caught:
        parse_event(ImageEvent, value)
    assert caught.value.reason == "field_missing"


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (None, "value_missing"),
        (b"", "value_missing"),
        (b"{", "json_invalid"),
        (b"[]", "field_invalid"),
        (b"\xff", "json_invalid"),
    ],
)
def test_values_that_are_not_events(value: bytes | None, reason: str) -> None:
    with pytest.raises(Rejected) as caught:
        parse_event(ImageEvent, value)
    assert caught.value.reason == reason


@pytest.mark.parametrize("number", ["-Infinity", "1e400", "NaN"])
def test_numbers_that_are_not_finite_are_refused_at_any_depth(number: str) -> None:
    """Pydantic's own rule leaves out what is declared as any JSON."""
    value = examples_of(Rejection)[0].encode().replace(b'"details":{', f'"details":{{"a":[{{"b":{number}}}],'.encode())
    with pytest.raises(Rejected) as caught:
        parse_event(Rejection, value)
    assert (caught.value.reason, list(caught.value.details["fields"])) == ("field_invalid", ["details"])


@pytest.mark.parametrize("name", ["biological_sample_id", "centre", "increment", "image_uri"])
def test_text_that_cannot_be_sent_is_refused_before_it_is_sent(name: str) -> None:
    """JSON cannot hold half a surrogate pair, but a Python program can: a push would end at the encoding."""
    with pytest.raises(ValidationError, match=r"surrogates|unicode"):
        ImageEvent.model_validate(VALID | {name: "s3://bucket/\ud800"})


def test_announcing_twice_is_one_announcement() -> None:
    first = ImageEvent.model_validate(VALID)
    again = ImageEvent.model_validate(VALID | {"produced_at": "2026-01-01T00:00:00Z", "metadata": {"kV": "26"}})
    other = ImageEvent.model_validate(VALID | {"image_uri": "s3://xray/originals/b.dcm"})
    assert first.event_id == again.event_id
    assert first.event_id != other.event_id


@given(image_events)
def test_the_key_is_the_specimen(event: ImageEvent) -> None:
    assert event.key == event.biological_sample_id


@pytest.mark.parametrize(
    ("parameter", "kind"),
    [
        ("IMPC_XRY_034_001", "DV"),
        ("IMPC_XRY_048_001", "LAT"),
        ("IMPC_XRY_051_001", "other"),
        ("JAXLA_XRY_034_001", "DV"),
        ("CCP_XRY_048_001", "LAT"),
    ],
)
def test_parameters_declare_views(parameter: str, kind: str) -> None:
    assert image_kind(parameter) == kind


@pytest.mark.parametrize(
    "parameter", ["HAS_XRY_034_001", "ESLIM_006_001_034", "IMPC_XRY_001_001", "IMPC_DXA_034_001", "034"]
)
def test_legacy_and_foreign_parameters_are_refused_by_full_id(parameter: str) -> None:
    with pytest.raises(Rejected) as caught:
        image_kind(parameter)
    assert caught.value.reason == "parameter_unknown"
