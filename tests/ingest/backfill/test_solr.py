"""Paging through a Solr that fails, stalls and closes connections."""

import gzip
import threading
import time
from collections.abc import Iterator
from functools import partial

import pytest

from services.common.errors import Fatal, Rejected, Retriable
from services.common.sources.uri import parse_web_uri
from services.ingest.backfill.client import BackfillClient, RateLimiter
from services.ingest.backfill.documents import allowed_hosts, solr_address
from services.ingest.backfill.query import IMAGES, OBSERVATIONS, SolrQuery
from services.ingest.backfill.solr import START, Solr
from services.ingest.push.upload import retry_until_stopped
from tests.common.sources.hostile import serving as raw_serving
from tests.ingest.backfill.documents import image_document, observation_document, serving
from tests.ingest.backfill.solr_server import Document, SolrServer
from tests.intake.tls_hosts import closing_the_handshake, of_unknown_authority

SELECT = "/solr/impc_images/select"
NEVER = threading.Event()


def client_of(address: str, rate: float = 1000, stop: threading.Event = NEVER, **patience: float) -> BackfillClient:
    """A client that may read from this address."""
    hosts = allowed_hosts(solr_address(address), (), frozenset({"127.0.0.1", "localhost"}))
    return BackfillClient(RateLimiter(rate, stop), hosts, ca_file="", **patience)


def ids(
    server: SolrServer, client: BackfillClient, query: SolrQuery | None = None, core: str = IMAGES, rows: int = 3
) -> list[str]:
    """Every document's id, page by page, with retries."""
    solr = Solr(query or SolrQuery(server.url), client)
    found: list[str] = []
    cursor: str | None = START
    while cursor is not None:
        page = retry_until_stopped(partial(solr.page, core, cursor, rows), NEVER)
        found += [document["id"] for document in page.documents]
        cursor = page.cursor
    return found


@pytest.fixture
def server() -> Iterator[SolrServer]:
    with serving([image_document(number) for number in range(10)], []) as running:
        yield running


@pytest.mark.parametrize("fault", [500, 503, 429, "half", "cut", "partial", "slow"])
def test_every_document_once_whatever_fault_a_page_has(server: SolrServer, fault: int | str) -> None:
    server.retry_after = "0"
    server.faults[SELECT].extend([fault, 502, fault])
    client = client_of(server.url, silence_seconds=0.5)
    assert ids(server, client) == [f"{number:06d}" for number in range(10)]
    assert server.requests[SELECT] == 5 + 3


def test_retries_end_if_a_server_stays_away(server: SolrServer) -> None:
    server.faults[SELECT].extend([500] * 3)
    with pytest.raises(Retriable, match="answered 500"):
        retry_until_stopped(lambda: Solr(SolrQuery(server.url), client_of(server.url)).page(IMAGES, START, 3), NEVER, 3)


def test_a_handshake_that_the_server_closes_is_tried_again() -> None:
    with closing_the_handshake() as address, pytest.raises(Retriable):
        Solr(SolrQuery(f"{address}/solr"), client_of(address)).page(IMAGES, START, 3)


def test_an_untrusted_certificate_is_not_retried() -> None:
    with of_unknown_authority() as address, pytest.raises(Fatal, match="certificate"):
        Solr(SolrQuery(f"{address}/solr"), client_of(address)).page(IMAGES, START, 3)


def test_all_requests_wait_as_long_as_the_server_asks(server: SolrServer) -> None:
    server.faults[SELECT].append(429)
    ids(server, client_of(server.url), rows=100)
    first, second, *_ = server.began
    assert second - first >= 1


def test_no_request_exceeds_the_rate(server: SolrServer) -> None:
    client = client_of(server.url, rate=20)
    started = time.monotonic()
    threads = [threading.Thread(target=ids, args=(server, client)) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(server.began) == 15
    assert time.monotonic() - started >= 14 / 20


def test_waiting_for_a_turn_ends_when_stopped() -> None:
    stop = threading.Event()
    limiter = RateLimiter(0.01, stop)
    limiter.wait()
    threading.Timer(0.1, stop.set).start()
    started = time.monotonic()
    with pytest.raises(Retriable):
        limiter.wait()
    assert time.monotonic() - started < 5


def test_a_query_that_solr_refuses_is_not_retried(server: SolrServer) -> None:
    client = client_of(server.url)
    with pytest.raises(Fatal, match="uniqueKey field tie breaker"):
        Solr(SolrQuery(server.url, unique_key="observation_id"), client).page(IMAGES, START, 3)
    with pytest.raises(Fatal, match="answered 404"):
        Solr(SolrQuery(server.url.replace("/solr", "/solr/none")), client).count("none")


def test_an_answer_that_is_too_large_is_not_read(server: SolrServer) -> None:
    with pytest.raises(Rejected) as refusal:
        client_of(server.url).get(parse_web_uri(f"{server.url}/impc_images/select?wt=json"), 10)
    assert refusal.value.reason == "file_too_large"


def test_an_answer_that_takes_too_long_is_cut_off(server: SolrServer) -> None:
    with pytest.raises(Retriable, match="not complete"):
        client_of(server.url, answer_seconds=0).get(parse_web_uri(f"{server.url}/impc_images/select?wt=json"), 10_000)


def answered(head: bytes, body: bytes, limit: int = 1000) -> bytes:
    """What the client makes of an answer, which its server compressed."""
    with raw_serving(
        lambda connection: connection.sendall(head + b"\r\nContent-Encoding: gzip\r\n\r\n" + body)
    ) as port:
        address = f"http://127.0.0.1:{port}"
        return client_of(address).get(parse_web_uri(f"{address}/solr"), limit)


@pytest.mark.parametrize("found", [b"Infinity", b"1e400", b"NaN", b"null", b"[]"])
def test_a_count_that_is_no_number_is_an_incomplete_answer(found: bytes) -> None:
    body = b'{"response": {"numFound": ' + found + b', "docs": []}, "nextCursorMark": "*"}'
    head = f"HTTP/1.1 200 OK\r\nContent-Length: {len(body)}\r\n\r\n".encode()
    with raw_serving(lambda connection: connection.sendall(head + body)) as port:
        address = f"http://127.0.0.1:{port}"
        solr = Solr(SolrQuery(address), client_of(address))
        with pytest.raises(Retriable, match="incomplete"):
            solr.page(IMAGES, START, 3)
        with pytest.raises(Retriable, match="incomplete"):
            solr.count(IMAGES)


def test_a_compressed_answer_is_limited_by_what_it_inflates_to() -> None:
    ok = b"HTTP/1.1 200 OK"
    assert answered(ok, gzip.compress(b"x" * 1000)) == b"x" * 1000
    with pytest.raises(Rejected) as refusal:
        answered(ok, gzip.compress(b"x" * 50_000_000)[:1000])
    assert refusal.value.reason == "file_too_large"
    for damaged in (gzip.compress(b"x" * 1000)[:-1], b"not gzip"):
        with pytest.raises(Retriable):
            answered(ok, damaged)
    with pytest.raises(Rejected, match="answered 400") as refusal:
        answered(b"HTTP/1.1 400 Bad Request", gzip.compress(b"why"))
    assert refusal.value.details["answer"] == "why"


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ({}, [0, 1, 2, 3]),
        ({"views": ("DV",)}, [0, 2]),
        ({"views": ("other",)}, [5]),
        ({"centres": ("UC Davis",)}, [2]),
        ({"centres": ("JAX", "UC Davis")}, [0, 1, 2, 3]),
        ({"genes": ("Dbn1",)}, [3]),
        ({"genes": ("MGI:104874",)}, [0, 1, 2]),
        ({"procedures": ("JAXLA_XRY_001",)}, [1]),
        ({"centres": ('no"such\\centre',)}, []),
    ],
)
def test_filters(query: dict[str, tuple[str, ...]], expected: list[int]) -> None:
    documents: list[Document] = [
        image_document(0),
        image_document(1, procedure_stable_id="JAXLA_XRY_001", parameter_stable_id="JAXLA_XRY_048_001"),
        image_document(2, phenotyping_center="UC Davis"),
        image_document(3, gene_symbol="Dbn1", gene_accession_id="MGI:1931838"),
        image_document(4, procedure_stable_id="IMPC_CSD_002", parameter_stable_id="IMPC_CSD_085_001"),
        image_document(5, parameter_stable_id="IMPC_XRY_050_001"),
    ]
    with serving(documents, []) as server:
        asked = SolrQuery(server.url, **query)  # type: ignore[arg-type]
        assert ids(server, client_of(server.url), asked) == [f"{number:06d}" for number in expected]


def test_images_are_not_observations() -> None:
    observations = [observation_document(0), observation_document(1, observation_type="image_record")]
    with serving([], observations) as server:
        assert ids(server, client_of(server.url), core=OBSERVATIONS) == ["000000"]


def test_the_fingerprint_depends_on_the_query_only() -> None:
    one = SolrQuery("http://a/solr", centres=("JAX",))
    assert one.fingerprint() == SolrQuery("http://a/solr", centres=("JAX",)).fingerprint()
    others = [
        SolrQuery("http://b/solr", centres=("JAX",)),
        SolrQuery("http://a/solr"),
        SolrQuery("http://a/solr", genes=("JAX",)),
    ]
    assert len({one.fingerprint(), *(other.fingerprint() for other in others)}) == 4
