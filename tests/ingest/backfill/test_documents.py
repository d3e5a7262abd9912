"""From documents to images, and which documents are skipped."""

import json
import threading
from datetime import UTC, datetime
from pathlib import Path

import pytest

from services.common.errors import Fatal, Rejected, Retriable
from services.common.events.animal import Animal
from services.common.sources.uri import parse_web_uri
from services.ingest.backfill.client import BackfillClient, RateLimiter
from services.ingest.backfill.documents import Download, ImageDownloads, allowed_hosts, solr_address
from services.ingest.push.image import PushImage, SkippedFile
from tests.ingest.backfill.documents import image_document, picture, serving

SOLR = "https://www.ebi.ac.uk/mi/impc/solr"
LOOPBACK = frozenset({"127.0.0.1"})


def downloads(solr: str = SOLR, *image_hosts: str) -> ImageDownloads:
    address = solr_address(solr)
    hosts = allowed_hosts(address, image_hosts, LOOPBACK)
    client = BackfillClient(RateLimiter(1000, threading.Event()), hosts, silence_seconds=0.5)
    return ImageDownloads(client, address, hosts, 10_000)


def test_a_scheme_relative_address_uses_solr_s_scheme() -> None:
    url = "//www.ebi.ac.uk/mi/media/omero/webgateway/archived_files/download/7"
    source = downloads()
    planned = source.plan(image_document(3, download_url=url, omero_id=7))
    assert isinstance(planned, PushImage)
    assert planned == PushImage(
        Download(parse_web_uri(f"https:{url}"), "3.png", source.client, 10_000),
        "183801",
        "JAX",
        "IMPC_XRY_048_001",
        increment="1",
        acquired_at=datetime(2014, 3, 31, tzinfo=UTC),
        metadata={
            "observation_id": "obs-3",
            "omero_id": "7",
            "gene_symbol": "Akt2",
            "uri": f"https:{url}",
            "parameter_associations": "IMPC_XRY_035_001",
        },
    )


def test_what_solr_states_about_the_animal_is_kept_and_other_values_are_left_out() -> None:
    stated = {"biological_sample_group": "control", "sex": "female", "strain_accession_id": "MGI:2159965"}
    planned = downloads().plan(image_document(0, download_url="//www.ebi.ac.uk/7", **stated))
    assert isinstance(planned, PushImage)
    assert planned.animal == Animal(sample_group="control", sex="female", strain_accession_id="MGI:2159965")
    nothing = {"biological_sample_group": "Group 1", "sex": "no data", "strain_accession_id": "?"}
    planned = downloads().plan(image_document(0, download_url="//www.ebi.ac.uk/7", **nothing))
    assert isinstance(planned, PushImage)
    assert planned.animal is None


@pytest.mark.parametrize(
    ("fields", "reason", "failed"),
    [
        ({"omero_id": -1}, "no_picture", False),
        ({"omero_id": "-1"}, "no_picture", False),
        ({"download_url": None}, "no_picture", False),
        ({"biological_sample_id": None, "specimen_id": "ef848cbd"}, "no_biological_sample_id", False),
        ({"parameter_stable_id": "HAS_XRY_034_001"}, "parameter_unknown", False),
        ({"parameter_stable_id": None}, "parameter_unknown", False),
        ({"download_url": "//elsewhere.org/7"}, "host_not_allowed", True),
        ({"download_url": "http://www.ebi.ac.uk/7"}, "host_not_allowed", True),
        ({"download_url": "https://www.ebi.ac.uk:8443/7"}, "host_not_allowed", True),
        ({"download_url": "//127.0.0.1:80\\@www.ebi.ac.uk/7"}, "address_invalid", True),
        ({"download_url": "//[/7"}, "address_invalid", True),
        ({"download_url": "//www.ebi.ac.uk/../7"}, "address_invalid", True),
        ({"download_url": "7.png"}, "address_invalid", True),
        ({"download_url": "/media/7"}, None, False),
    ],
)
def test_skipped_documents_and_their_reasons(fields: dict[str, object], reason: str | None, failed: bool) -> None:
    planned = downloads().plan(image_document(0, **({"download_url": "//www.ebi.ac.uk/7"} | fields)))
    if reason is None:
        assert isinstance(planned, PushImage)
        return
    assert isinstance(planned, SkippedFile)
    assert (planned.reason, planned.failed) == (reason, failed)
    assert "obs-0" in planned.message or reason in {"parameter_unknown", "host_not_allowed"}


def test_another_host_may_be_allowed() -> None:
    document = image_document(0, download_url="//elsewhere.org/7")
    assert isinstance(downloads(SOLR, "elsewhere.org").plan(document), PushImage)


def test_plain_http_must_be_allowed_host_by_host() -> None:
    document = image_document(0, download_url="http://elsewhere.org:8080/7?token=planted-secret")
    planned = downloads(SOLR, "elsewhere.org:8080").plan(document)
    assert isinstance(planned, SkippedFile)
    assert planned.reason == "host_not_allowed"
    planned = downloads(SOLR, "http://elsewhere.org:8080").plan(document)
    assert isinstance(planned, PushImage)
    assert "planted-secret" not in str(planned.source) + str(planned.metadata)


@pytest.mark.parametrize(("solr", "hosts"), [("ftp://a/solr", ()), ("https://u@a/solr", ()), (SOLR, ("a b",))])
def test_a_wrong_address_on_the_command_line_stops_it(solr: str, hosts: tuple[str, ...]) -> None:
    with pytest.raises(Fatal, match=r"--(solr|image-host)"):
        downloads(solr, *hosts)


def test_a_download_from_a_private_address_is_refused_unless_listed() -> None:
    with serving([image_document(0)], []) as server:
        address = solr_address(server.url)
        hosts = allowed_hosts(address, (), frozenset())
        client = BackfillClient(RateLimiter(1000, threading.Event()), hosts)
        planned = ImageDownloads(client, address, hosts, 10_000).plan(server.cores["impc_images"][0])
        assert isinstance(planned, PushImage)
        with pytest.raises(Rejected) as refusal:
            planned.source.read()
        assert refusal.value.reason == "source_not_allowed"
        assert not server.began


def test_an_id_is_the_same_as_a_number_and_as_text() -> None:
    for sample in (183808, "183808", 183808.0):
        planned = downloads().plan(image_document(0, biological_sample_id=sample, download_url="//www.ebi.ac.uk/7"))
        assert isinstance(planned, PushImage)
        assert planned.biological_sample_id == "183808"


def test_impc_s_own_example_document(real_pictures: Path) -> None:
    example = real_pictures / "examples" / "impc_images_solr_doc_generic.json"
    document = json.loads(example.read_text(encoding="utf-8"))
    planned = downloads().plan(document | {"parameter_stable_id": "IMPC_XRY_034_001"})
    assert isinstance(planned, SkippedFile)
    assert planned.reason == "host_not_allowed"
    assert str(planned.source) == "http://example.com/download"


def test_an_image_is_downloaded_completely_or_not_at_all() -> None:
    documents = [image_document(0), image_document(1)]
    with serving(documents, []) as server:
        server.pictures["1001"] = b"<html>please log in</html>" + b" " * 200
        found = downloads(server.url)
        first, second = (found.plan(one) for one in server.cores["impc_images"])
        assert isinstance(first, PushImage)
        server.faults["/media/1000"].extend(["half", 503, 404])
        for _ in range(2):
            with pytest.raises(Retriable):
                first.source.read()
        with pytest.raises(Rejected, match="answered 404"):
            first.source.read()
        assert first.source.read() == picture(0)
        assert isinstance(second, PushImage)
        with pytest.raises(Rejected) as refusal:
            second.source.read()
        assert refusal.value.reason == "not_an_image"


def test_what_no_event_may_hold_is_left_out_of_the_associations() -> None:
    names = ["IMPC_XRY_035_001", "\ud800", "a\0b", None, {"a": 1}]
    document = image_document(3, download_url="/7", parameter_association_stable_id=names)
    planned = downloads().plan(document)
    assert isinstance(planned, PushImage)
    assert planned.metadata["parameter_associations"] == "IMPC_XRY_035_001,a b"
