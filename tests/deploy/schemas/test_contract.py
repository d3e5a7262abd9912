"""The generated files agree with the code, and the examples agree with the files."""

import json
from itertools import product
from typing import Any

import pytest
from jsonschema import Draft202012Validator, FormatChecker

from deploy.schemas import contract
from deploy.schemas.channels import channel_of
from deploy.schemas.examples import examples_of
from deploy.schemas.json_schema import file_name, json_schema
from services.common.events import Event, parse_event
from services.common.topics import TOPICS, Topic

EVENTS = [topic.event for topic in TOPICS]
CASES = [pytest.param(event, example, id=type(example).__name__) for event in EVENTS for example in examples_of(event)]


def schema_of(event: type[Event]) -> Any:
    return json.loads((contract.JSON_SCHEMAS / file_name(event)).read_text())


def test_the_files_are_up_to_date() -> None:
    """If this fails, run `python -m deploy.schemas`."""
    assert contract.drift() == []


def test_the_events_keep_the_promises() -> None:
    """If this fails, raise the event's schema_version or undo the change."""
    assert contract.broken_promises(contract.schemas()) == []


@pytest.mark.parametrize(("event", "example"), CASES)
def test_examples_are_valid_by_schema_and_by_model(event: type[Event], example: Event) -> None:
    document = json.loads(example.encode())
    Draft202012Validator.check_schema(schema_of(event))
    Draft202012Validator(schema_of(event), format_checker=FormatChecker()).validate(document)
    assert parse_event(event, example.encode()) == example


@pytest.mark.parametrize(("event", "example"), CASES)
def test_the_model_accepts_what_the_schema_allows(event: type[Event], example: Event) -> None:
    validator = Draft202012Validator(schema_of(event))
    document = json.loads(example.encode())
    values: list[Any] = [None, -1, 7, "", "DV", [], {}, True]
    allowed = 0
    for field, value in product(document, values):
        other = {**document, field: value}
        if "date-time" not in json.dumps(validator.schema["properties"][field]) and validator.is_valid(other):
            parse_event(event, json.dumps(other).encode())
            allowed += 1
    assert allowed > 2


@pytest.mark.parametrize(("event", "example"), CASES)
def test_the_key_is_the_field_that_the_channel_names(event: type[Event], example: Event) -> None:
    channel = next(channel_of(topic) for topic in TOPICS if topic.event is event)
    assert example.key == getattr(example, channel.key.split(",")[0])


def test_the_examples_belong_to_one_animal() -> None:
    from deploy.schemas.examples import CALL, IMAGES, READY, TENSOR, VIEWS

    assert [view.image_event_id for view in VIEWS] == [image.event_id for image in IMAGES]
    assert CALL.views == TENSOR.views == READY.views
    assert CALL.tensor_sha256 == TENSOR.tensor_sha256


def test_a_new_event_without_an_entry_is_reported() -> None:
    class Review(Event):
        """A new event."""

    with pytest.raises(LookupError, match=r"Review has no example.*examples\.py"):
        examples_of(Review)
    with pytest.raises(LookupError, match=r"phenotype\.reviews is not described.*channels\.py"):
        channel_of(Topic("phenotype.reviews", Review, "a test"))


def test_a_field_without_a_description_is_reported() -> None:
    class Colour(Event):
        """A new event."""

        colour: str

    with pytest.raises(LookupError, match=r"Colour\.colour has no description.*services/common/events"):
        json_schema(Colour)
