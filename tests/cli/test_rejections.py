"""`xray rejections show` says why a rejection contains no record."""

import pytest

from services.cli.rejections import _described
from services.common.events import Rejection
from services.common.events.rejection import left_out
from tests.ledger.examples import rejection


@pytest.mark.parametrize(
    ("one", "text"),
    [
        (rejection(original=None), "The record had no value."),
        (rejection(original=None, details=left_out(b"x")), "A replay reads it from its topic."),
        (rejection(original=None, reason="record_unreadable"), "its sender must send it again"),
    ],
)
def test_a_missing_record_is_explained(one: Rejection, text: str) -> None:
    assert text in str([*_described(one)][-1])
