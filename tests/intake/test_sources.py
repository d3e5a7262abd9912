"""One source that fails or is slow costs the others little, on a clock that only the fetches move."""

import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise

import pytest

from services.common.errors import Rejected, Retriable, SourceUnavailable
from services.common.sources.uri import ImageUri, S3Uri, parse_image_uri
from services.intake.shares import FREE_SECONDS, PERIOD_SECONDS, SHARE_SECONDS, ShareUsed
from services.intake.sources import FIRST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS, GuardedReader, SourcePaused

BAD, GOOD, OTHER_PORT, OURS = map(
    parse_image_uri,
    (
        "https://bad.example/1.png",
        "https://good.example/1.png",
        "https://bad.example:8443/1.png",
        "s3://xray/originals/1",
    ),
)


class Hosts:
    """Hosts that take some seconds per image and may fail, and the clock."""

    def __init__(self) -> None:
        self.present = 0.0
        self.seconds: dict[ImageUri, float] = {}
        self.errors: dict[ImageUri, Exception] = {}
        self.attempts: Counter[ImageUri] = Counter()

    def own(self, key: str) -> S3Uri:
        return S3Uri("xray", key)

    def fetch(self, uri: ImageUri) -> bytes:
        self.attempts[uri] += 1
        self.present += self.seconds.get(uri, 0.1)
        if uri in self.errors:
            raise self.errors[uri]
        return b"image"

    def fail(self, uri: ImageUri, seconds: float = 0.1) -> None:
        self.seconds[uri] = seconds
        self.errors[uri] = SourceUnavailable("answered 503", source=uri.origin, server="https", kind="503")


@pytest.fixture
def hosts() -> Hosts:
    return Hosts()


@pytest.fixture
def reader(hosts: Hosts) -> GuardedReader:
    return GuardedReader(hosts, lambda: hosts.present)


def outcome(reader: GuardedReader, uri: ImageUri) -> type[Exception] | None:
    try:
        assert reader.fetch(uri) == b"image"
    except Exception as error:  # noqa: BLE001
        return type(error)
    return None


def test_after_a_failure_a_source_is_left_alone_and_then_tried_once(reader: GuardedReader, hosts: Hosts) -> None:
    hosts.fail(BAD, seconds=20)
    assert outcome(reader, BAD) is SourceUnavailable
    assert [outcome(reader, parse_image_uri(f"https://BAD.example:443/{n}")) for n in range(998)] == [
        SourcePaused
    ] * 998
    assert hosts.present == 20
    hosts.present += FIRST_PAUSE_SECONDS
    assert outcome(reader, BAD) is SourceUnavailable
    assert outcome(reader, BAD) is SourcePaused
    assert hosts.attempts == {BAD: 2}


def test_the_error_of_a_paused_source_is_that_of_its_last_attempt(reader: GuardedReader, hosts: Hosts) -> None:
    hosts.fail(BAD)
    assert outcome(reader, BAD) is SourceUnavailable
    with pytest.raises(SourcePaused, match=r"answered 503; https://bad\.example is tried again in 30 s") as caught:
        reader.fetch(BAD)
    assert (caught.value.source, caught.value.server) == ("https://bad.example", "https")


def test_other_sources_are_not_affected(reader: GuardedReader, hosts: Hosts) -> None:
    hosts.fail(BAD)
    assert outcome(reader, BAD) is SourceUnavailable
    assert outcome(reader, GOOD) is None
    assert outcome(reader, OTHER_PORT) is None


def test_a_source_that_answers_again_is_used_at_once(reader: GuardedReader, hosts: Hosts) -> None:
    hosts.fail(BAD)
    assert outcome(reader, BAD) is SourceUnavailable
    hosts.present += FIRST_PAUSE_SECONDS
    del hosts.errors[BAD]
    assert [outcome(reader, BAD) for _ in range(3)] == [None] * 3
    assert reader._sources == {}


def test_a_source_that_hung_has_no_debt_when_it_answers_again(reader: GuardedReader, hosts: Hosts) -> None:
    hosts.fail(BAD, seconds=600)
    assert outcome(reader, BAD) is SourceUnavailable
    hosts.present += FIRST_PAUSE_SECONDS
    del hosts.errors[BAD]
    hosts.seconds[BAD] = 0.1
    assert outcome(reader, BAD) is None


def test_a_refused_image_shows_that_the_source_answers(reader: GuardedReader, hosts: Hosts) -> None:
    hosts.fail(BAD)
    assert outcome(reader, BAD) is SourceUnavailable
    hosts.present += FIRST_PAUSE_SECONDS
    hosts.errors[BAD] = Rejected("object_missing", "gone")
    assert [outcome(reader, BAD) for _ in range(2)] == [Rejected] * 2


def test_pauses_grow_while_a_source_stays_away_and_are_bounded(reader: GuardedReader, hosts: Hosts) -> None:
    hosts.fail(BAD, seconds=0)
    tried: list[float] = []
    while hosts.present < 3600:
        before = hosts.attempts[BAD]
        outcome(reader, BAD)
        tried += [hosts.present] * (hosts.attempts[BAD] - before)
        hosts.present += 1
    pauses = [later - earlier for earlier, later in pairwise(tried)]
    assert pauses[:4] == [30, 60, 120, 240]
    assert set(pauses[4:]) == {LONGEST_PAUSE_SECONDS}


def test_failures_at_the_same_time_count_once(hosts: Hosts) -> None:
    reader = GuardedReader(hosts, lambda: hosts.present)
    together = threading.Barrier(4, timeout=10)

    def fetch(uri: ImageUri) -> bytes:
        together.wait()
        raise SourceUnavailable("down", source=uri.origin)

    hosts.fetch = fetch  # type: ignore[method-assign]
    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(lambda _: outcome(reader, BAD), range(4))) == [SourceUnavailable] * 4
    hosts.present += FIRST_PAUSE_SECONDS
    assert reader._sources["https://bad.example"]._failures == 1


def test_only_one_attempt_at_a_time_tests_a_source_that_failed(hosts: Hosts) -> None:
    reader = GuardedReader(hosts, lambda: hosts.present)
    hosts.fail(BAD)
    assert outcome(reader, BAD) is SourceUnavailable
    hosts.present += FIRST_PAUSE_SECONDS
    inside: list[type[Exception] | None] = []

    def fetch(uri: ImageUri) -> bytes:
        inside.append(outcome(reader, uri))
        return b"image"

    hosts.fetch = fetch  # type: ignore[method-assign]
    assert outcome(reader, BAD) is None
    assert inside == [SourcePaused]


def test_a_slow_source_uses_its_share_of_time_and_no_more(reader: GuardedReader, hosts: Hosts) -> None:
    hosts.seconds[BAD] = 10
    outcomes = [outcome(reader, BAD) for _ in range(100)]
    fetched = outcomes.count(None)
    assert outcomes == [None] * fetched + [ShareUsed] * (100 - fetched)
    assert hosts.present <= SHARE_SECONDS * 2
    began = hosts.present
    for _ in range(3600):
        outcome(reader, BAD)
        hosts.present += 1
    share = (hosts.attempts[BAD] - fetched) * (10 - FREE_SECONDS) / (hosts.present - began)
    assert share == pytest.approx(SHARE_SECONDS / PERIOD_SECONDS, rel=0.1)


def test_a_normal_source_is_never_busy_and_nothing_is_remembered_of_it(reader: GuardedReader, hosts: Hosts) -> None:
    hosts.seconds[GOOD] = FREE_SECONDS
    assert [outcome(reader, GOOD) for _ in range(1000)] == [None] * 1000
    assert reader._sources == {}


def test_the_wait_at_a_slow_source_is_that_of_a_queue(reader: GuardedReader, hosts: Hosts) -> None:
    """So that each minute, and each hour, about as many records come back as the source can serve."""
    hosts.seconds[BAD] = 10
    waits: list[float] = []
    for _ in range(500):
        try:
            reader.fetch(BAD)
        except ShareUsed as busy:
            waits.append(busy.wait_seconds)
    assert waits == sorted(waits)
    per_minute = SHARE_SECONDS / (10 - FREE_SECONDS)
    assert sum(wait <= 600 for wait in waits) == pytest.approx(10 * per_minute, abs=2)


def test_our_own_store_is_not_limited(reader: GuardedReader, hosts: Hosts) -> None:
    hosts.errors[OURS] = Retriable("store away", server="objects")
    hosts.seconds[OURS] = 100
    assert [outcome(reader, OURS) for _ in range(3)] == [Retriable] * 3
