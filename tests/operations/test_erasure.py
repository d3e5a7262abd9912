"""Erasing on a store in memory: nothing of the image remains, whatever happens in between."""

from collections.abc import Callable, Sequence
from contextlib import closing

import pytest

from services.assembler.members import MOST_OBJECTS, read_set
from services.common.erasure import erasure_of
from services.common.errors import Rejected, Retriable
from services.common.events import ImageWithdrawal, SpecimenView, ViewReady
from services.common.events.base import View
from services.common.keys import erasure_key, original_key, specimen_prefix, tensor_key, view_key
from services.common.loop import Done
from services.common.preprocessing import TENSOR_SIDE, VERSION
from services.fuser.service import Fuser
from services.intake.fetch import Fetcher
from services.intake.service import Intake
from services.intake.settings import IntakeSettings
from services.operations.erasure import MOST_SETS, ErasurePlan, ErasureReport, erase
from tests.common.memory_store import MemoryStore
from tests.fuser.test_service import ready, records
from tests.intake.files import LIMITS
from tests.intake.test_service import DV, LAT, PLAN, InProcessDecoder, digest, record, refused
from tests.ledger.examples import NOON, sha256

OTHER = "the other DV image"
SPECIMEN = "m"


class Published:
    """The broker: keeps the withdrawals that it has stored."""

    def __init__(self) -> None:
        self.withdrawals: list[ImageWithdrawal] = []

    def __call__(self, withdrawals: Sequence[ImageWithdrawal]) -> None:
        self.withdrawals += withdrawals


class Interrupted(MemoryStore):
    """Fails after this many further effects, as if the command were killed."""

    left: int | None = None

    def _effect(self) -> None:
        if self.left is not None:
            if self.left == 0:
                raise KeyboardInterrupt
            self.left -= 1

    def put(self, key: str, data: bytes, content_type: str = "application/octet-stream") -> None:
        self._effect()
        super().put(key, data, content_type)

    def put_new(self, key: str, data: bytes) -> bool:
        self._effect()
        return super().put_new(key, data)

    def delete(self, key: str) -> None:
        self._effect()
        super().delete(key)


def member(which: View, image: str, specimen: str = SPECIMEN) -> SpecimenView:
    key = view_key(VERSION, specimen, "JAX", which, image)
    return SpecimenView(view=which, image_sha256=image, view_key=key)


ERASED, KEPT, LATERAL = member("DV", sha256("erased")), member("DV", sha256(OTHER)), member("LAT", sha256("lateral"))
SETS = ((ERASED, LATERAL), (ERASED, KEPT, LATERAL), (KEPT, LATERAL))
ONE = ErasurePlan((ERASED.image_sha256,), (SPECIMEN,), ())


def filled(store: MemoryStore) -> None:
    """Three images of a specimen, with the tensors of three sets of them."""
    for view in (ERASED, KEPT, LATERAL):
        store.put(original_key(view.image_sha256), b"original of " + view.image_sha256.encode())
        store.put(view.view_key, b"view of " + view.image_sha256.encode())
    for views in SETS:
        store.put(tensor_key(VERSION, TENSOR_SIDE, views), b"tensor")


def erased(store: MemoryStore, plan: ErasurePlan = ONE, publish: Published | None = None) -> ErasureReport:
    return erase(store, publish or Published(), plan, reason="asked for", who="anna", erased_at=NOON)


def check_gone(store: MemoryStore) -> None:
    """Nothing of the erased image is left, and everything of the others is."""
    present = {key for key, data in store.objects.items() if data}
    kept = {original_key(view.image_sha256) for view in (KEPT, LATERAL)} | {KEPT.view_key, LATERAL.view_key}
    withdrawal = f"{specimen_prefix(SPECIMEN)}withdrawn/JAX/DV/{ERASED.image_sha256}"
    tensor = tensor_key(VERSION, TENSOR_SIDE, SETS[2])
    assert present == kept | {tensor, withdrawal, erasure_key(ERASED.image_sha256)}


def test_original_views_and_every_tensor_are_gone_also_those_that_were_never_called() -> None:
    store, published = MemoryStore(), Published()
    filled(store)
    before = read_set(store.keys(specimen_prefix(SPECIMEN), MOST_OBJECTS), VERSION)
    assert erased(store, publish=published) == ErasureReport(withdrawn=1, views=1, tensors=2, originals=1)
    check_gone(store)
    after = read_set(store.keys(specimen_prefix(SPECIMEN), MOST_OBJECTS), VERSION)
    assert after.revision == before.revision + 1, "a set never shrinks"
    assert after.views == (KEPT, LATERAL)
    (withdrawal,) = published.withdrawals
    assert (withdrawal.centre, withdrawal.view, withdrawal.image_sha256) == ("JAX", "DV", ERASED.image_sha256)
    found = erasure_of(store, ERASED.image_sha256)
    assert found is not None
    assert (found.who, found.reason, found.erased_at) == ("anna", "asked for", NOON)
    assert found.biological_sample_ids == (SPECIMEN,)


def test_a_run_that_is_killed_at_any_effect_is_finished_by_the_next() -> None:
    killed = 0
    while True:
        store, published = Interrupted(), Published()
        filled(store)
        store.left = killed
        try:
            erased(store, publish=published)
        except KeyboardInterrupt:
            store.left = None
            erased(store, publish=published)
        else:
            break
        check_gone(store)
        assert {one.image_sha256 for one in published.withdrawals} == {ERASED.image_sha256}
        killed += 1
    assert killed >= 6


def test_twice_changes_nothing_and_the_first_record_stays() -> None:
    store, published = MemoryStore(), Published()
    filled(store)
    erased(store, publish=published)
    before = dict(store.objects)
    report = erase(store, published, ONE, reason="again", who="otto", erased_at=NOON)
    assert (report.withdrawn, report.tensors, report.originals) == (0, 0, 0)
    assert len(published.withdrawals) == 1
    assert store.objects == before


def test_a_file_of_two_specimens_is_erased_in_both() -> None:
    store, published = MemoryStore(), Published()
    filled(store)
    other = member("DV", ERASED.image_sha256, "n")
    store.put(other.view_key, b"view")
    erased(store, ErasurePlan(ONE.images, (SPECIMEN, "n"), ()), published)
    assert store.objects[other.view_key] == b""
    assert sorted(one.biological_sample_id for one in published.withdrawals) == [SPECIMEN, "n"]


def test_too_many_sets_are_reported_and_the_tensors_of_calls_are_erased() -> None:
    store = MemoryStore()
    views = [member(which, sha256(f"{which} {number}")) for which in ("DV", "LAT") for number in range(9)]
    assert 2 ** len(views) > MOST_SETS
    for view in views:
        store.put(view.view_key, b"view")
    tensor = tensor_key(VERSION, TENSOR_SIDE, views)
    store.put(tensor, b"tensor")
    report = erased(store, ErasurePlan((views[0].image_sha256,), (SPECIMEN,), (tensor,)))
    assert not report.all_tensors
    assert tensor not in store.objects


class Hooked(MemoryStore):
    """Runs `hook` once, right before an object below `prefix` is put."""

    def __init__(self, prefix: str) -> None:
        super().__init__()
        self.prefix, self.hook = prefix, None
        self.other_buckets = {"centre": {"dv.png": DV, "lat.png": LAT}}

    hook: Callable[[], object] | None

    def put(self, key: str, data: bytes, content_type: str = "application/octet-stream") -> None:
        self._run(key)
        super().put(key, data, content_type)

    def put_new(self, key: str, data: bytes) -> bool:
        self._run(key)
        return super().put_new(key, data)

    def _run(self, key: str) -> None:
        hook, self.hook = (self.hook, None) if key.startswith(self.prefix) else (None, self.hook)
        if hook is not None:
            hook()


def intake_of(store: MemoryStore) -> Intake:
    fetcher = Fetcher(store, IntakeSettings(source_buckets="centre"), LIMITS.most_bytes)
    return Intake(store, fetcher, InProcessDecoder(), LIMITS, PLAN, workers=1)


@pytest.mark.parametrize("prefix", ["originals/", "views/"])
def test_an_image_that_intake_handles_at_the_same_time_is_not_stored(prefix: str) -> None:
    store = Hooked(prefix)
    plan = ErasurePlan((digest(DV),), (SPECIMEN,), ())
    store.hook = lambda: erased(store, plan)
    with closing(intake_of(store)) as intake:
        outcome = intake.handle([record("s3://centre/dv.png")])[0]
        assert refused(outcome).reason == "image_erased"
        again, other = intake.handle([record("s3://centre/dv.png"), record("s3://centre/lat.png", "IMPC_XRY_048_001")])
    assert refused(again).reason == "image_erased"
    assert isinstance(other, Done)
    assert [key for key, data in store.objects.items() if data and digest(DV) in key] == [erasure_key(digest(DV))]


def test_a_file_that_is_pushed_again_does_not_stay() -> None:
    """A push uploads the original itself, and intake finds it in its place."""
    store = Hooked("")
    erased(store, ErasurePlan((digest(DV),), (SPECIMEN,), ()))
    store.put(original_key(digest(DV)), DV)
    with closing(intake_of(store)) as intake:
        outcome = intake.handle([record(f"s3://xray/{original_key(digest(DV))}")])[0]
    assert refused(outcome).reason == "image_erased"
    assert store.objects[original_key(digest(DV))] == b""


def test_a_tensor_that_is_fused_at_the_same_time_is_not_stored() -> None:
    store = Hooked("tensors/")
    with closing(intake_of(store)) as intake:
        outcomes = intake.handle([record("s3://centre/dv.png"), record("s3://centre/lat.png", "IMPC_XRY_048_001")])
    views = [one.messages[0].event for one in outcomes if isinstance(one, Done)]
    members = [
        SpecimenView(view=one.view, image_sha256=one.image_sha256, view_key=one.view_key)
        for one in views
        if isinstance(one, ViewReady)
    ]
    store.hook = lambda: erased(store, ErasurePlan((digest(DV),), (SPECIMEN,), ()))
    with closing(Fuser(store, workers=1)) as fuser:
        (outcome,) = fuser.handle([*records(ready(SPECIMEN, *members))])
    assert isinstance(outcome, Rejected)
    assert outcome.reason == "image_erased"
    assert not any(data for key, data in store.objects.items() if key.startswith("tensors/"))


def test_the_rejection_of_a_stored_original_names_its_digest() -> None:
    store = MemoryStore()
    store.other_buckets = {"centre": {"text": b"no picture"}}
    with closing(intake_of(store)) as intake:
        (outcome,) = intake.handle([record("s3://centre/text")])
    assert refused(outcome).details["image_sha256"] == digest(b"no picture")


def test_a_store_that_is_away_leaves_the_work_to_the_next_run() -> None:
    store = MemoryStore()
    filled(store)
    store.away = Retriable("away")
    with pytest.raises(Retriable):
        erased(store)
    store.away = None
    erased(store)
    check_gone(store)
