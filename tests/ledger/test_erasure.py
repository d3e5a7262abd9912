"""What an id stands for when it is erased, on a real PostgreSQL."""

import pytest

from services.common.errors import Rejected
from services.common.events import SpecimenView
from services.ledger import queries
from services.ledger.database import Connection
from services.ledger.writer import Ledger
from services.operations.erasure import ErasurePlan, plan_erasure
from tests.ledger.examples import call, image, minutes, records, rejection, sha256, view

pytestmark = pytest.mark.integration
A, B, BAD = sha256("a"), sha256("b"), sha256("bad")


def filled(ledger: Ledger) -> None:
    """A specimen with two views and a refused image; the first file was announced for another specimen too."""
    members = (
        SpecimenView(view="DV", image_sha256=A, view_key="a"),
        SpecimenView(view="LAT", image_sha256=B, view_key="b"),
    )
    ledger.write(
        records(
            [
                image("m"),
                view("m", "DV", "a", image_event_id=image("m").event_id),
                view("m", "LAT", "b"),
                view("n", "DV", "a", image_event_id=sha256("event of n")),
                call("m", views=members, tensor_key="tensors/p1-224/aa/x.npy"),
                call(
                    "m",
                    3,
                    views=(members[0].model_copy(update={"image_sha256": sha256("c")}), members[1]),
                    tensor_key="tensors/p1-224/bb/y.npy",
                ),
                rejection("m", 1, image_event_id=sha256("event bad"), details={"image_sha256": BAD}),
                rejection("m", 2, reason="digest_mismatch", details={}),
            ]
        )
    )


def test_an_id_leads_to_its_images_and_to_every_specimen_that_has_them(ledger: Ledger, reader: Connection) -> None:
    filled(ledger)
    tensors = ("tensors/p1-224/aa/x.npy", "tensors/p1-224/bb/y.npy")
    assert plan_erasure(reader, "m") == ErasurePlan(tuple(sorted((A, B, BAD))), ("m", "n"), tensors)
    assert plan_erasure(reader, image("m").event_id) == ErasurePlan((A,), ("m", "n"), tensors[:1])
    assert plan_erasure(reader, B[:12]) == ErasurePlan((B,), ("m",), tensors)
    assert plan_erasure(reader, A) == ErasurePlan((A,), ("m", "n"), tensors[:1]), "one file of two specimens"
    assert plan_erasure(reader, BAD[:12]) == ErasurePlan((BAD,), ("m",), ())


def test_an_announced_digest_is_not_believed(ledger: Ledger, reader: Connection) -> None:
    """Otherwise a centre could have another centre's image erased with its own specimen."""
    filled(ledger)
    ledger.write(records([image("liar", sha256=A), rejection("liar", 3, reason="digest_mismatch", details={})]))
    with pytest.raises(Rejected, match="no_image"):
        plan_erasure(reader, "liar")


def test_only_images_can_be_erased(ledger: Ledger, reader: Connection) -> None:
    filled(ledger)
    wrong = (
        ("x", "id_unknown"),
        (call("m").call_id, "not_an_image"),
        (B[:11], "id_ambiguous"),
        ("0" * 12, "id_unknown"),
    )
    for wanted, reason in wrong:
        with pytest.raises(Rejected) as caught:
            plan_erasure(reader, wanted)
        assert caught.value.reason == reason


def test_a_specimen_comes_before_an_image_whose_digest_begins_with_its_id(ledger: Ledger, reader: Connection) -> None:
    """The ids of IMPC have about six digits, and among a million digests one begins with any six."""
    filled(ledger)
    ledger.write(records([image(A[:6]), view(A[:6], "DV", "own", image_event_id=image(A[:6]).event_id)]))
    assert plan_erasure(reader, A[:6]).images == (sha256("own"),)


def test_refused_originals_are_those_without_a_view_and_a_newer_refusal(ledger: Ledger, reader: Connection) -> None:
    filled(ledger)
    ledger.write(records([rejection("m", 4, details={"image_sha256": B})]))  # refused first, and then a view
    reader.execute("update rejection set recorded_at = %s", [minutes(0)])
    assert queries.refused_originals(reader, minutes(1)) == [BAD]
    assert queries.refused_originals(reader, minutes(-1)) == []
    ledger.write(records([rejection("m", 5, details={"image_sha256": BAD})]))
    assert queries.refused_originals(reader, minutes(1)) == []
