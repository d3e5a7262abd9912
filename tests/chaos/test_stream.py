"""The stream of a round is a function of the seed and the round, and a few rounds hold every kind of bad input."""

from pathlib import Path

import pytest

from services.chaos.stream import (
    BAD_KINDS,
    BAD_RECORDS,
    CODECS,
    SPECIMENS,
    bad_files,
    bad_record,
    stream_of,
)
from services.common.errors import Rejected
from services.common.events import ImageEvent, parse_event
from services.demo.cohort import DemoPicture, DemoSubmission
from services.intake.decode import decode
from services.intake.settings import Limits

PARSED = {"field_invalid", "id_placeholder", "json_invalid"}
"""Reasons of records that are no valid events."""


def submission(name: str) -> DemoSubmission:
    views = {"IMPC_XRY_034_001": "a", "IMPC_XRY_048_001": "b"}
    pictures = tuple(
        DemoPicture(
            file=Path("none"), sha256=letter * 64, parameter_stable_id=parameter, increment="1", expected="accepted",
            late=False,
        )
        for parameter, letter in views.items()
    )  # fmt: skip
    return DemoSubmission(
        biological_sample_id=name, centre="JAX", truth=(0,) * 14, abnormal_elsewhere=False, call_expected=True,
        pictures=pictures,
    )  # fmt: skip


TEMPLATES = [submission("one"), submission("two")]


def test_equal_rounds_send_the_same_and_others_do_not() -> None:
    sent = {
        stream_of(seed, number, TEMPLATES, "xray", 1).records for seed in (1, 2) for number in range(3) for _ in "ab"
    }
    assert len(sent) == 6


def test_consecutive_rounds_hold_every_kind_of_bad_input_and_every_codec() -> None:
    rounds = -(-len(BAD_KINDS) // BAD_RECORDS)
    streams = [stream_of(1, number, TEMPLATES, "xray", 1) for number in range(rounds)]
    assert {record.reason for stream in streams for record in stream.records} == {
        None, *(kind.reason for kind in BAD_KINDS.values())
    }  # fmt: skip
    assert {record.codec for stream in streams for record in stream.records} == set(CODECS)
    assert all(len(stream.records) == 2 * SPECIMENS + BAD_RECORDS for stream in streams)
    assert len({one for stream in streams for one in stream.specimens}) == SPECIMENS * rounds


@pytest.mark.parametrize("kind", [kind for kind, one in BAD_KINDS.items() if one.reason != "record_unreadable"])
def test_a_bad_event_is_refused_for_its_reason_if_the_event_alone_is_bad(kind: str) -> None:
    record = bad_record(kind, "chaos-1", 1)
    if record.reason in PARSED:
        with pytest.raises(Rejected) as refused:
            parse_event(ImageEvent, record.value)
        assert refused.value.reason == record.reason
    else:
        assert parse_event(ImageEvent, record.value).biological_sample_id == "chaos-1"


def test_hostile_files_are_small_and_refused_for_their_reason() -> None:
    reasons = {
        one.fields["image_uri"]: one.reason for one in BAD_KINDS.values() if one.fields and "image_uri" in one.fields
    }
    for key, data in bad_files().items():
        assert len(data) < 40_000
        with pytest.raises(Rejected) as refused:
            decode(data, Limits(_env_file=None))
        expected = reasons[f"s3://xray/{key}"]
        assert expected in {refused.value.reason, "digest_mismatch"}, key
