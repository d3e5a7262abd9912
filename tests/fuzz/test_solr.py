"""Answers of a Solr server that nobody here controls: pages, documents, and files of saved answers."""

import json
from dataclasses import astuple
from pathlib import Path
from random import Random
from typing import Any, Final

import pytest

from services.common.errors import Fatal, Rejected, Retriable
from services.common.topics import IMAGES
from services.ingest.backfill.client import BackfillClient
from services.ingest.backfill.documents import Download
from services.ingest.backfill.query import IMAGES as CORE
from services.ingest.backfill.query import SolrQuery
from services.ingest.backfill.solr import START, Solr
from services.ingest.push.image import SkippedFile
from services.ingest.push.upload import _event
from tests.fuzz.harness import ACCEPTED, TIMEOUT, run
from tests.fuzz.hostile_json import changed_json
from tests.fuzz.oracle import check_accepted
from tests.ingest.backfill.documents import image_document, observation_document
from tests.ingest.backfill.test_documents import SOLR, downloads
from training.labels.sources.read import read

pytestmark = pytest.mark.timeout(TIMEOUT)
DOCUMENTS: Final = [json.dumps(image_document(number)).encode() for number in range(2)]
URLS: Final = (
    "//www.ebi.ac.uk/a.png",
    "/mi/a.png",
    "https://www.ebi.ac.uk/a?b=1",
    "https://evil.test/a",
    "https://www.ebi.ac.uk\\@evil.test/",
)
SKIPPED: Final = {"no_picture", "no_biological_sample_id", "parameter_unknown", "address_invalid", "host_not_allowed"}


def answer(count: int, document: Any) -> bytes:
    documents = [document(number) for number in range(count)]
    return json.dumps(
        {"responseHeader": {"status": 0}, "response": {"numFound": 9, "docs": documents}, "nextCursorMark": "n"}
    ).encode()


def test_documents(tmp_path: Path) -> None:
    plans = downloads()

    def check(random: Random) -> str:
        seed = random.choice(DOCUMENTS).replace(b"//127.0.0.1:PORT", b"/" + b"x" * random.choice((0, 1)))
        seed = json.dumps(json.loads(seed) | {"download_url": random.choice(URLS)}).encode()
        try:
            document = json.loads(changed_json(random, [seed]))
        except (ValueError, RecursionError):
            return "not_json"
        if not isinstance(document, dict):
            return "not_json"
        planned = plans.plan(document)
        str(planned.source).encode()
        json.dumps(planned.source.fingerprint(), ensure_ascii=False).encode()
        if isinstance(planned, SkippedFile):
            assert planned.reason in SKIPPED
            planned.message.encode()
            return planned.reason
        assert isinstance(planned.source, Download)
        assert planned.source.uri
        assert planned.source.uri.origin in plans.hosts.origins
        try:
            check_accepted(IMAGES, _event(planned, "bucket", "0" * 64))
        except Rejected as rejected:
            return rejected.reason
        return ACCEPTED

    run("documents of Solr", check, {"not_json", "event_invalid", *SKIPPED})


def test_answers() -> None:
    class Client(BackfillClient):
        def __init__(self) -> None:
            self.body = b""

        def get(self, uri: Any, limit: int) -> bytes:
            return self.body

    client, plans = Client(), downloads()
    solr = Solr(SolrQuery(SOLR), client)
    seeds = [answer(number, image_document) for number in range(3)]

    def check(random: Random) -> str:
        client.body = changed_json(random, seeds)
        try:
            page = solr.page(CORE, START, 3)
            assert page.cursor is None or isinstance(page.cursor, str)
            for document in page.documents:
                plans.plan(document)
            solr.count(CORE)
        except (Retriable, Fatal) as error:
            return type(error).__name__
        return ACCEPTED

    run("answers of Solr", check, {"Retriable", "Fatal"})


def test_saved_answers(tmp_path: Path) -> None:
    path = tmp_path / "saved.json"
    seeds = [answer(number, observation_document) for number in range(3)]
    lines = [json.dumps(observation_document(number)).encode() for number in range(3)]

    def check(random: Random) -> str:
        one = (
            changed_json(random, seeds)
            if random.random() < 0.5
            else b"\n".join((lines[0], changed_json(random, lines), lines[1]))
        )
        path.write_bytes(one)
        try:
            for item in read(path):
                for text in astuple(item):
                    str(text).encode()
        except Rejected as rejected:
            assert path.name in rejected.message
            return rejected.reason
        return ACCEPTED

    of_csv_and_xml = {"not_csv", "empty_source", "not_xml", "not_a_submission", "xml_forbidden"}
    run("saved answers of Solr", check, {"not_json", "not_solr", "source_too_large", *of_csv_and_xml})
