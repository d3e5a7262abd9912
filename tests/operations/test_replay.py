import base64

from services.operations.replay import REPLAY_HEADER, record_of
from tests.ledger.examples import rejection


def test_a_record_is_sent_unchanged_with_one_additional_header() -> None:
    one = rejection()
    key, value, headers = record_of(one)
    assert (key, value) == (b"183808", b'\x00\xff{"not": "json"')
    assert headers == [("trace", b"\x00abc"), (REPLAY_HEADER, one.rejection_id.encode())]


def test_a_second_replay_names_the_newest_rejection_only() -> None:
    one = rejection(headers=((REPLAY_HEADER, base64.b64encode(b"older").decode()),))
    assert record_of(one)[2] == [(REPLAY_HEADER, one.rejection_id.encode())]


def test_a_record_without_key_and_value_stays_so() -> None:
    assert record_of(rejection(original=None, original_key=None))[:2] == (None, None)
