"""From documents to images, and which documents are skipped."""

import json
import threading
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import pytest

from services.common.errors import Rejected, Retriable
from services.ingest.backfill.client import BackfillClient, RateLimiter
from services.ingest.backfill.documents import Download, ImageDownloads
from services.ingest.push.image import PushImage, SkippedFile
from tests.ingest.backfill.documents import image_document, picture, serving


@pytest.fixture
def client() -> Iterator[BackfillClient]:
    with closing(BackfillClient(RateLimiter(1000, threading.Event()), silence_seconds=0.5)) as one:
        yield one


def downloads(client: BackfillClient, url: str = "https://www.ebi.ac.uk/mi/impc/solr", *hosts: str) -> ImageDownloads:
    return ImageDownloads(client, url, frozenset({"www.ebi.ac.uk", *hosts}), 10_000)


def test_a_scheme_relative_address_uses_solr_s_scheme(client: BackfillClient) -> None:
    url = "//www.ebi.ac.uk/mi/media/omero/webgateway/archived_files/download/7"
    planned = downloads(client).plan(image_document(3, download_url=url, omero_id=7))
    assert isinstance(planned, PushImage)
    assert planned == PushImage(
        Download(f"https:{url}", "3.png", client, 10_000),
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
        ({"download_url": "/media/7"}, None, False),
    ],
)
def test_skipped_documents_and_their_reasons(
    client: BackfillClient, fields: dict[str, object], reason: str | None, failed: bool
) -> None:
    planned = downloads(client).plan(image_document(0, **({"download_url": "//www.ebi.ac.uk/7"} | fields)))
    if reason is None:
        assert isinstance(planned, PushImage)
        return
    assert isinstance(planned, SkippedFile)
    assert (planned.reason, planned.failed) == (reason, failed)
    assert "obs-0" in planned.message or reason in {"parameter_unknown", "host_not_allowed"}


def test_another_host_may_be_allowed(client: BackfillClient) -> None:
    document = image_document(0, download_url="//elsewhere.org/7")
    assert isinstance(
        downloads(client, "https://www.ebi.ac.uk/mi/impc/solr", "elsewhere.org").plan(document), PushImage
    )


def test_an_id_is_the_same_as_a_number_and_as_text(client: BackfillClient) -> None:
    for sample in (183808, "183808", 183808.0):
        planned = downloads(client).plan(
            image_document(0, biological_sample_id=sample, download_url="//www.ebi.ac.uk/7")
        )
        assert isinstance(planned, PushImage)
        assert planned.biological_sample_id == "183808"


def test_impc_s_own_example_document(client: BackfillClient, real_pictures: Path) -> None:
    example = real_pictures / "examples" / "impc_images_solr_doc_generic.json"
    document = json.loads(example.read_text(encoding="utf-8"))
    planned = downloads(client).plan(document | {"parameter_stable_id": "IMPC_XRY_034_001"})
    assert isinstance(planned, SkippedFile)
    assert planned.reason == "host_not_allowed"
    assert str(planned.source) == "http://example.com/download"


def test_an_image_is_downloaded_completely_or_not_at_all(client: BackfillClient) -> None:
    documents = [image_document(0), image_document(1)]
    with serving(documents, []) as server:
        server.pictures["1001"] = b"<html>please log in</html>" + b" " * 200
        found = ImageDownloads(client, server.url, frozenset({"127.0.0.1"}), 10_000)
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
