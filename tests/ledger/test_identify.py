"""The specimen that an id leads to, on a real PostgreSQL."""

import re

import pytest

from services.common.errors import Rejected
from services.ledger import queries
from services.ledger.database import Connection
from services.ledger.writer import Ledger
from tests.ledger.examples import call, image, records, rejection, sha256

pytestmark = pytest.mark.integration

JAX, TCP = sha256("JAX A-17")[:32], sha256("TCP A-17")[:32]


@pytest.fixture
def known(ledger: Ledger, reader: Connection) -> Connection:
    """Two animals with the same id at different centres, one from Solr, and two plain ones."""
    ledger.write(
        records(
            [
                image(JAX, metadata={"specimen": "A-17"}),
                image(JAX, "b.dcm", "IMPC_XRY_048_001", metadata={"specimen": "A-17"}),
                image(TCP, metadata={"specimen": "A-17"}, centre="TCP"),
                image("183808", metadata={"external_sample_id": "B-2"}),
                image("183809", "x.dcm"),
                call("183809"),
                rejection("refused"),
            ]
        )
    )
    return reader


@pytest.mark.parametrize(
    ("text", "specimen", "kind"),
    [
        ("183808", "183808", "specimen"),
        ("refused", "refused", "specimen"),
        ("B-2", "183808", "centre_id"),
        (JAX[:6], JAX, "specimen"),
        (image("183809", "x.dcm").event_id[:8], "183809", "event"),
        (call("183809").call_id[:8], "183809", "call"),
        ("B", "183808", "beginning"),
    ],
)
def test_an_id_leads_to_its_specimen(known: Connection, text: str, specimen: str, kind: str) -> None:
    found = queries.find_specimen(known, text)
    assert found is not None
    assert (found.biological_sample_id, found.kind) == (specimen, kind)
    assert queries.specimen_named(known, text) == specimen


def test_several_candidates_are_listed_with_the_centres_ids(known: Connection) -> None:
    for text in ("A-17", "A-"):
        with pytest.raises(Rejected, match="leads to several specimens") as refusal:
            queries.find_specimen(known, text)
        assert refusal.value.reason == "id_ambiguous"
        assert f"{JAX} (A-17, JAX)" in refusal.value.message
        assert f"{TCP} (A-17, TCP)" in refusal.value.message
    with pytest.raises(Rejected, match=re.escape("'1838' leads to several specimens: 183808 (B-2, JAX), 183809;")):
        queries.specimen_named(known, "1838")


def test_a_whole_id_is_never_read_as_the_beginning_of_another(ledger: Ledger, known: Connection) -> None:
    ledger.write(records([image("1838"), image("9", metadata={"specimen": "A-1"})]))
    assert queries.specimen_named(known, "1838") == "1838"
    assert queries.specimen_named(known, "A-1") == "9"


def test_an_unknown_id_is_returned_as_it_is(known: Connection) -> None:
    assert queries.find_specimen(known, "no-such-mouse") is None
    assert queries.specimen_named(known, "no-such-mouse") == "no-such-mouse"
