"""One centre whose images take long to decode costs the others little, on a clock that only the decoder moves."""

from collections import Counter
from collections.abc import Sequence
from contextlib import closing
from datetime import timedelta

import pytest

from services.common.errors import Rejected, Retriable
from services.common.events import ImageEvent
from services.common.loop import Done, Outcome, Record
from services.common.loop.retries import retry_state
from services.common.topics import IMAGE_RETRIES, IMAGES
from services.intake.fetch import Fetcher
from services.intake.parking import RetryPlan
from services.intake.raster import Raster
from services.intake.service import Intake
from services.intake.settings import IntakeSettings
from services.intake.shares import FREE_SECONDS, PERIOD_SECONDS, SHARE_SECONDS, DecodingShares, ShareUsed
from tests.common.memory_store import MemoryStore
from tests.intake.files import LIMITS
from tests.intake.test_service import DV, InProcessDecoder
from tests.ledger.examples import NOON

SLOW = b"reaches the limit"


class Decoder(InProcessDecoder):
    """Takes the limit for a hostile image and 0.1 s for any other."""

    def __init__(self) -> None:
        self.present = 0.0
        self.decoded: Counter[bytes] = Counter()

    def decode(self, data: bytes) -> Raster:
        self.decoded[data] += 1
        self.present += LIMITS.decoder_seconds if data == SLOW else 0.1
        if data == SLOW:
            raise Rejected("decoder_limit", "takes too long", limit="cpu_seconds")
        return super().decode(data)


def intake_of(decoder: Decoder) -> Intake:
    store = MemoryStore()
    store.other_buckets = {"hostile": {"x": SLOW}, "good": {"x": DV}}
    fetcher = Fetcher(store, IntakeSettings(source_buckets="hostile,good"), LIMITS.most_bytes)
    plan = RetryPlan(IMAGE_RETRIES, timedelta(hours=24), lambda: NOON + timedelta(seconds=decoder.present))
    return Intake(
        store,
        fetcher,
        decoder,
        LIMITS,
        plan,
        workers=1,
        shares=DecodingShares(lambda: decoder.present),
        now=lambda: NOON,
    )


def record(centre: str, number: int) -> Record[ImageEvent]:
    event = ImageEvent(
        biological_sample_id=f"{centre}{number}",
        centre=centre.upper(),
        parameter_stable_id="IMPC_XRY_034_001",
        image_uri=f"s3://{centre}/x",
    )
    return Record(IMAGES.name, 0, number, NOON, b"m", event.encode(), (), event)


def kinds(outcomes: Sequence[Outcome]) -> Counter[str]:
    return Counter(
        one.reason if isinstance(one, Rejected) else "parked" if one.parked is not None else "view" for one in outcomes
    )


def test_a_batch_of_images_at_the_limit_delays_another_centre_by_less_than_a_minute() -> None:
    decoder = Decoder()
    with closing(intake_of(decoder)) as intake:
        outcomes = intake.handle([*(record("hostile", number) for number in range(31)), record("good", 0)])
        first = kinds(outcomes)
        assert first == {"decoder_limit": decoder.decoded[SLOW], "parked": 31 - decoder.decoded[SLOW], "view": 1}
        assert decoder.present < 60
        for _ in range(5):
            before = decoder.present
            outcomes = intake.handle([*(record("hostile", number) for number in range(31)), record("good", 0)])
            assert kinds(outcomes)["view"] == 1
            assert decoder.present - before < 60


def test_a_parked_record_is_the_announcement_and_has_no_attempt() -> None:
    decoder = Decoder()
    with closing(intake_of(decoder)) as intake:
        sent = [record("hostile", number) for number in range(8)]
        outcome = intake.handle(sent)[-1]
    assert isinstance(outcome, Done)
    (message,) = outcome.messages
    assert message.topic is IMAGE_RETRIES[0]
    assert (message.key, message.value) == (sent[-1].key, sent[-1].value)
    state, _ = retry_state(message.headers)
    assert state is not None
    assert (state.attempts, state.offset) == (0, 7)
    assert state.error == "images of HOSTILE take long to decode; the centre's share of the time is used up"


def test_every_image_at_the_limit_is_tried_and_gets_its_own_reason() -> None:
    """Nothing is rejected for waiting, and a centre's good images go through among its slow ones."""
    decoder = Decoder()
    waiting = [(0.0, record(*one)) for one in [*(("hostile", number) for number in range(40)), ("good", 0)]]
    found: Counter[str] = Counter()
    with closing(intake_of(decoder)) as intake:
        while waiting:
            due = [one for at, one in waiting if at <= decoder.present]
            waiting = [(at, one) for at, one in waiting if at > decoder.present]
            for one, outcome in zip(due, intake.handle(due), strict=True):
                if isinstance(outcome, Done) and outcome.parked is not None:
                    waiting.append((decoder.present + outcome.messages[0].topic.delay_seconds, one))
                else:
                    found += kinds([outcome])
            decoder.present += 1
    assert found == {"decoder_limit": 40, "view": 1}
    assert decoder.present < 40 * LIMITS.decoder_seconds * PERIOD_SECONDS / SHARE_SECONDS * 2


def test_a_centre_with_images_of_normal_size_has_no_limit() -> None:
    present = [0.0]
    shares = DecodingShares(lambda: present[0])
    for _ in range(1000):
        shares.admit("JAX")
        with shares.charged("JAX"):
            present[0] += FREE_SECONDS
    assert shares._shares == {}


def test_a_fault_of_this_machine_is_not_charged_to_a_centre() -> None:
    present = [0.0]
    shares = DecodingShares(lambda: present[0])

    def decode() -> None:
        with shares.charged("JAX"):
            present[0] += 60
            raise Retriable("a decoder process does not start")

    with pytest.raises(Retriable):
        decode()
    shares.admit("JAX")


def test_centres_whose_share_is_whole_again_are_forgotten() -> None:
    """Events may name any number of centres."""
    present = [0.0]
    shares = DecodingShares(lambda: present[0])
    for number in range(100):
        with shares.charged(f"centre {number}"):
            present[0] += 10
    assert len(shares._shares) < 10


def test_only_the_centre_that_used_its_share_waits() -> None:
    present = [0.0]
    shares = DecodingShares(lambda: present[0])
    with shares.charged("SLOW"):
        present[0] += SHARE_SECONDS + FREE_SECONDS
    with pytest.raises(ShareUsed) as caught:
        shares.admit("SLOW")
    assert (caught.value.source, caught.value.server) == ("centre 'SLOW'", "decoder")
    shares.admit("OTHER")
    present[0] += 1
    shares.admit("SLOW")
