"""What the loop logs for each record."""

import errno
import io
import json
import logging
import os
from collections.abc import Iterator
from typing import Any

import pytest

from services.common import logs
from services.common.errors import Rejected, Retriable
from services.common.events import Event
from services.common.loop import Done, Message, Outcome, Record
from services.common.topics import CALLS, VIEWS
from tests.common.test_loop import Recorder, image
from tests.ledger.examples import call, sha256, view


@pytest.fixture
def written(monkeypatch: pytest.MonkeyPatch) -> Iterator[io.StringIO]:
    stream = io.StringIO()
    monkeypatch.setattr(logs, "_handlers", [("intake", logging.StreamHandler(stream))])
    level = logging.getLogger().level
    logging.getLogger().setLevel(logging.INFO)
    yield stream
    logging.getLogger().setLevel(level)


def lines(stream: io.StringIO) -> list[dict[str, Any]]:
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def test_every_record_of_a_committed_batch_leaves_one_line_with_its_ids(written: io.StringIO) -> None:
    recorder = Recorder([[image(1), image(2), image(3), image(4, value=b"not json")]])

    def work(record: Record[Event]) -> Outcome:
        if record.offset == 2:
            return Done(skipped="not_a_whole_body_parameter")
        if record.offset == 3:
            return Rejected("view_blank", "nothing to see")
        return Done((Message(VIEWS, view("mouse", name="a")),))

    recorder.work = work
    recorder.run()
    found = lines(written)
    assert [(one["event"], one["offset"]) for one in found] == [
        ("done", 1),
        ("skipped", 2),
        ("rejected", 3),
        ("rejected", 4),
    ]
    assert {one["stage"] for one in found} == {"intake"}
    assert [one.get("biological_sample_id") for one in found] == ["mouse", "mouse", "mouse", None]
    assert len({one["image_event_id"] for one in found[:3]}) == 3
    assert (found[0]["image_sha256"], found[0]["view"]) == (sha256("a"), "DV")
    assert found[1]["cause"] == "not_a_whole_body_parameter"
    assert [one["reason"] for one in found[2:]] == ["view_blank", "json_invalid"]
    assert all(one["timestamp"].endswith("Z") for one in found)


def test_a_call_is_found_by_its_id(written: io.StringIO) -> None:
    recorder = Recorder([[image(1)]])
    recorder.work = lambda record: Done((Message(CALLS, call("mouse")),))
    recorder.run()
    assert lines(written)[0]["call_id"] == call("mouse").call_id


def test_nothing_is_written_of_a_batch_that_was_not_committed(written: io.StringIO) -> None:
    recorder = Recorder([[image(1)]])

    def stop(record: Record[Event]) -> Outcome:
        recorder.stop.set()
        raise Retriable("away")

    recorder.work = stop
    recorder.run()
    assert written.getvalue() == ""


def test_a_higher_log_level_suppresses_the_lines(written: io.StringIO) -> None:
    logging.getLogger().setLevel(logging.WARNING)
    Recorder([[image(1)]]).run()
    assert written.getvalue() == ""


class FullDisk(io.StringIO):
    def flush(self) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def test_a_log_that_cannot_be_written_stops_nothing(monkeypatch: pytest.MonkeyPatch, written: io.StringIO) -> None:
    monkeypatch.setattr(logs, "_handlers", [("intake", logging.StreamHandler(FullDisk()))])
    recorder = Recorder([[image(1)], [image(2)]])
    recorder.run()
    assert recorder.calls.count("commit") == 2
