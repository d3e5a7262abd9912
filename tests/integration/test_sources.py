"""Announcements of images that cannot or must not be fetched, on a real broker, object store and HTTPS host.

Each costs only itself: the good ones behind it, on the same partition, become views.
"""

import json
import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import psycopg
import pytest
import trustme

from deploy.local.stack import Stack
from services.common.kafka.clients import publisher, reader
from services.common.kafka.reading import ranges_of, read
from services.common.settings import Settings, settings_of
from services.common.store import ObjectStore
from services.common.topics import IMAGES, VIEWS
from services.common.topology import INTAKE, SINK
from services.ledger.migrate import migrate
from services.operations.processes import Processes
from services.operations.provisioning import ensure_topics
from tests.intake.tls_hosts import serving_files
from tests.pipeline.mice import mouse

pytestmark = pytest.mark.integration

DV, LAT = "IMPC_XRY_034_001", "IMPC_XRY_048_001"
PLANTED = "X-Amz-Signature=planted-secret"
GOOD_SECONDS = 30


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    stack = Stack(tmp_path_factory.mktemp("sources"), tied=True)
    stack.up(["kafka", "seaweedfs", "postgres"])
    environment = stack.environment()
    settings = settings_of(environment)
    ensure_topics(settings)
    ObjectStore(settings).create_bucket()
    migrate(settings.postgres_dsn.get_secret_value())
    yield environment
    stack.down()


def event(specimen: str, uri: str, parameter: str = DV) -> bytes:
    fields = {"biological_sample_id": specimen, "centre": "JAX", "parameter_stable_id": parameter, "image_uri": uri}
    return json.dumps(fields).encode()


def bad_events(host: str, stranger: str, trap: int) -> dict[bytes, str]:
    """Every announcement with the reason that it must be rejected for."""
    by_address = host.replace("localhost", "127.0.0.1")
    reasons = {
        "s3://xray/../x": "field_invalid",
        "s3://xray/a\\..\\x": "field_invalid",
        "s3://[/x": "field_invalid",
        "s3://xray/" + "x" * 1025: "field_invalid",
        "https://a℀b/x": "field_invalid",
        f"https://127.0.0.1:{trap}\\@localhost/x": "field_invalid",
        f"https://localhost:secret@127.0.0.1:{trap}/x": "field_invalid",
        "s3://xray/" + "x" * 1024: "object_missing",
        "s3://not-allowed/x": "source_not_allowed",
        "s3://no-such-centre/x": "source_refused",
        f"https://localhost:{trap}/x?{PLANTED}": "source_not_allowed",
        f"{by_address}/dv?{PLANTED}": "source_not_allowed",
        f"{host}/redirect?{PLANTED}": "source_refused",
        f"{host}/none?{PLANTED}": "source_refused",
        f"{stranger}/x?{PLANTED}": "source_refused",
    }
    return {event("bad", uri): reason for uri, reason in reasons.items()}


def good_events(settings: Settings, host: str, pictures: dict[str, bytes]) -> list[bytes]:
    """The same two pictures by S3, under keys as centres write them, and by HTTPS."""
    store = ObjectStore(settings)
    keys = {DV: "incoming/Mäuse 1+2%20/DV #1.png", LAT: "incoming/\u202fLAT.png"}
    for parameter, key in keys.items():
        store.put(key, pictures[parameter])
    return [
        *(event("by-s3", f"s3://xray/{key}", parameter) for parameter, key in keys.items()),
        event("by-https", f"{host}/dv?{PLANTED}", DV),
        event("by-https", f"{host}/lat?{PLANTED}", LAT),
    ]


def rows(settings: Settings, query: str) -> list[Any]:
    with psycopg.connect(settings.postgres_dsn.get_secret_value()) as connection:
        return connection.execute(query.encode()).fetchall()


def wait_for(settings: Settings, query: str, count: int, seconds: float) -> list[Any]:
    deadline = time.monotonic() + seconds
    while len(found := rows(settings, query)) < count:
        assert time.monotonic() < deadline, f"{len(found)} of {count} rows after {seconds} s: {query}"
        time.sleep(0.2)
    return found


def announce(settings: Settings, values: list[bytes]) -> None:
    with publisher(settings) as producer:
        for value in values:
            producer.send(IMAGES.name, key=b"one partition", value=value)
        producer.flush()


def published_views(settings: Settings) -> list[bytes]:
    with reader(settings) as consumer:
        return [record.value for record in read(consumer, ranges_of(consumer, [VIEWS.name]))]


def test_a_bad_source_costs_only_its_own_record_and_no_secret_is_shown(
    environment: dict[str, str], tmp_path: Path
) -> None:
    settings, authority = settings_of(environment), trustme.CA()
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    pictures = {picture.parameter: picture.data for picture in mouse("source", seed=5, images=1)}
    with ExitStack() as servers:
        host = servers.enter_context(serving_files(authority, {"/dv": pictures[DV], "/lat": pictures[LAT]}))
        stranger = servers.enter_context(serving_files(trustme.CA(), {}))
        trap = servers.enter_context(socket.create_server(("127.0.0.1", 0)))
        trap.settimeout(0)
        named = [address.removeprefix("https://") for address in (host, stranger)]
        allowed = {
            "XRAY_HTTPS_HOSTS": ",".join([*named, named[0].replace("localhost", "127.0.0.1")]),
            "XRAY_PRIVATE_HOSTS": "localhost",
            "XRAY_HTTPS_CA_FILE": str(tmp_path / "ca.pem"),
            "XRAY_SOURCE_BUCKETS": "no-such-centre",
        }
        processes = Processes([INTAKE.name, SINK.name], environment | allowed, tmp_path / "logs")
        servers.enter_context(processes)
        processes.wait_ready()
        bad = bad_events(host, stranger, trap.getsockname()[1])
        good = good_events(settings, host, pictures)
        announce(settings, [*list(bad)[:8], *good, *list(bad)[8:]])
        wait_for(settings, "select 1 from view", len(good), GOOD_SECONDS)
        rejected = wait_for(settings, "select original, reason, words || details::text from rejection", len(bad), 30)
        with pytest.raises(BlockingIOError):
            trap.accept()
        assert all(map(processes.alive, (INTAKE.name, SINK.name)))
    assert {bytes(original): reason for original, reason, _ in rejected} == bad
    shown = [
        *(text for _, _, text in rejected),
        *(uri for (uri,) in rows(settings, "select image_uri from image union all select image_uri from view")),
        *(value.decode() for value in published_views(settings)),
        *(path.read_text() for path in (tmp_path / "logs").iterdir()),
    ]
    for secret in ("planted-secret", environment["XRAY_S3_SECRET_KEY"]):
        assert not [text for text in shown if secret in text]
