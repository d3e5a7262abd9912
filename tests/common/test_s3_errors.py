"""What each answer of an object store means: wait, refuse the object, or stop.

The answers are those of S3's error reference. No local store gives most of them on demand, so a small server does.
"""

import re
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import boto3
import pytest
import trustme

from services.common.errors import Fatal, PipelineError, Rejected, Retriable, SourceUnavailable
from services.common.settings import Settings
from services.common.sources.uri import S3Uri
from services.common.store import ObjectStore
from tests.intake.tls_hosts import closing_the_handshake

OURS, THEIRS = S3Uri("xray", "key"), S3Uri("centre", "key")
TRANSIENT = [
    (500, "InternalError"),
    (503, "SlowDown"),
    (503, "ServiceUnavailable"),
    (502, ""),
    (400, "RequestTimeout"),
    (403, "RequestTimeTooSkewed"),
    (429, "TooManyRequestsException"),
    (400, "ThrottlingException"),
    (409, "OperationAborted"),
]
ABOUT_THE_OBJECT = [
    (400, "InvalidRequest"),
    (400, "KeyTooLongError"),
    (403, "InvalidObjectState"),
    (400, "KMS.DisabledException"),
    (301, "PermanentRedirect"),
    (405, "MethodNotAllowed"),
    (418, "SomethingNew"),
]
ABOUT_RIGHTS = [
    (403, "AccessDenied"),
    (403, "InvalidAccessKeyId"),
    (403, "SignatureDoesNotMatch"),
    (404, "NoSuchBucket"),
    (400, "ExpiredToken"),
]


class Answer(BaseHTTPRequestHandler):
    """Gives `get` to every request but a list, which gets `listing`; a body of 200 is cut short if `cut`."""

    get: tuple[int, str]
    listing: int
    cut: bool

    def list_objects(self) -> None:
        body = b"<ListBucketResult/>" if self.listing == 200 else b""
        self.send_response(self.listing)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_GET(self) -> None:
        if "list-type=2" in self.path:
            self.list_objects()
            return
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        status, code = self.get
        body = f"<Error><Code>{code}</Code><Message>as asked</Message></Error>".encode() if code else b""
        self.send_response(status)
        self.send_header("Content-Length", str(len(body) + 10 * self.cut))
        self.end_headers()
        self.wfile.write(body)
        self.close_connection = True

    def do_PUT(self) -> None:
        self.do_GET()

    def log_message(self, *_: object) -> None:
        """Log nothing."""


@contextmanager
def answering(status: int, code: str = "", listing: int = 200, *, cut: bool = False) -> Iterator[ObjectStore]:
    handler = type("OneAnswer", (Answer,), {"get": (status, code), "listing": listing, "cut": cut})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        address = f"http://127.0.0.1:{server.server_port}"
        settings = {"s3_endpoint": address, "s3_access_key": "a", "s3_secret_key": "planted-secret"}
        try:
            yield ObjectStore(Settings.model_validate(settings))
        finally:
            server.shutdown()


def failure(store: ObjectStore, uri: S3Uri | None = None) -> PipelineError:
    """The error of reading a source, or without a URI of reading an object of ours."""
    with pytest.raises(PipelineError) as caught:
        store.get("key") if uri is None else store.get_source(uri, 1000)
    assert "planted-secret" not in str(caught.value)
    return caught.value


@pytest.mark.parametrize(("status", "code"), TRANSIENT)
def test_what_may_pass_is_retried_and_named_by_source_only_in_another_bucket(status: int, code: str) -> None:
    with answering(status, code) as store:
        for error in (failure(store), failure(store, OURS)):
            assert type(error) is Retriable
            assert error.server == "objects"
        theirs = failure(store, THEIRS)
        assert isinstance(theirs, SourceUnavailable)
        assert theirs.source == "s3://centre"
        with pytest.raises(Retriable):
            store.put("key", b"")


@pytest.mark.parametrize("listing", [500, 503])
def test_a_fault_is_ours_if_our_own_bucket_has_it_too(listing: int) -> None:
    with answering(503, "SlowDown", listing) as store:
        assert type(failure(store, THEIRS)) is Retriable
    with answering(403, "AccessDenied", listing) as store:
        assert type(failure(store, THEIRS)) is Retriable


@pytest.mark.parametrize(("status", "code"), ABOUT_THE_OBJECT)
def test_an_answer_about_one_object_costs_only_that_object(status: int, code: str) -> None:
    with answering(status, code) as store:
        for uri in (None, OURS, THEIRS):
            error = failure(store, uri)
            assert isinstance(error, Rejected)
            assert (error.reason, error.details["code"]) == ("source_refused", code)
        with pytest.raises(Fatal, match=re.escape(code)):
            store.put("key", b"")


@pytest.mark.parametrize(("status", "code"), ABOUT_RIGHTS)
def test_missing_rights_stop_the_process_only_if_our_own_bucket_is_denied(status: int, code: str) -> None:
    with answering(status, code) as store:
        assert isinstance(failure(store), Fatal)
        for uri in (OURS, THEIRS):
            error = failure(store, uri)
            assert isinstance(error, Rejected)
            assert (error.reason, error.details["code"]) == ("source_refused", code)
    with answering(status, code, listing=403) as store:
        for uri in (OURS, THEIRS):
            assert isinstance(failure(store, uri), Fatal)


def test_a_key_that_boto3_does_not_send_is_refused() -> None:
    with answering(200) as store, pytest.raises(Rejected) as caught:
        store.get("")
    assert caught.value.details["code"] == "ParamValidationError"


def test_a_body_that_breaks_off_is_read_again() -> None:
    with answering(200, "cut", cut=True) as store:
        assert isinstance(failure(store), Retriable)
        assert isinstance(failure(store, THEIRS), SourceUnavailable)


def test_a_proxy_that_answers_in_html_is_no_reason_to_stop() -> None:
    with answering(502) as store:
        assert isinstance(failure(store), Retriable)


@pytest.mark.parametrize(("listing", "message"), [(404, "run `xray init`"), (403, "access denied"), (400, "400")])
def test_the_bucket_is_checked_with_few_rights_and_a_clear_message(listing: int, message: str) -> None:
    with answering(403, "AccessDenied", listing) as store, pytest.raises(Fatal, match=re.escape(message)):
        store.check_bucket()
    with answering(403, "AccessDenied", 200) as store:
        store.check_bucket()  # ListBuckets, which this server denies, is not needed


def test_a_store_that_is_away_is_waited_for() -> None:
    with answering(200) as store:
        pass
    for uri in (None, OURS, THEIRS):
        assert type(failure(store, uri)) is Retriable


@contextmanager
def secured(authority: trustme.CA, name: str, not_after: datetime | None) -> Iterator[str]:
    """The address of a store with a certificate of this authority."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert(name, not_after=not_after).configure_cert(context)
    handler = type("OneAnswer", (Answer,), {"get": (200, ""), "listing": 200, "cut": False})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    server.handle_error = lambda *_: None  # type: ignore[method-assign]
    server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
    with server:
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        try:
            yield f"https://localhost:{server.server_port}"
        finally:
            server.shutdown()


@pytest.mark.parametrize("fault", ["expired", "another name", "unknown authority", None])
def test_a_store_with_an_untrusted_certificate_stops_the_process(tmp_path: Path, fault: str | None) -> None:
    """It will be as untrusted at the next attempt, so waiting for it would last for ever."""
    authority, other, file = trustme.CA(), trustme.CA(), tmp_path / "ca.pem"
    (other if fault == "unknown authority" else authority).cert_pem.write_to_path(str(file))
    name = "another.example" if fault == "another name" else "localhost"
    with secured(authority, name, datetime(2020, 1, 1, tzinfo=UTC) if fault == "expired" else None) as address:
        settings = {"s3_endpoint": address, "s3_access_key": "a", "s3_secret_key": "b", "s3_ca_file": str(file)}
        store = ObjectStore(Settings.model_validate(settings))
        if fault is None:
            store.check_bucket()
            return
        for uri in (None, OURS, THEIRS):
            error = failure(store, uri)
            assert isinstance(error, Fatal)
            assert "XRAY_S3_CA_FILE" in str(error)


def test_a_handshake_that_breaks_off_is_tried_again() -> None:
    with closing_the_handshake() as address:
        settings = {"s3_endpoint": address, "s3_access_key": "a", "s3_secret_key": "b"}
        assert type(failure(ObjectStore(Settings.model_validate(settings)))) is Retriable


def test_a_missing_file_of_authorities_stops_the_process(tmp_path: Path) -> None:
    settings = {"s3_endpoint": "https://localhost:1", "s3_access_key": "a", "s3_ca_file": str(tmp_path / "ca.pem")}
    with pytest.raises(Fatal, match="XRAY_S3_CA_FILE"):
        ObjectStore(Settings.model_validate(settings)).check_bucket()


def test_without_an_access_key_the_default_credentials_are_used(monkeypatch: pytest.MonkeyPatch) -> None:
    requests: list[str] = []

    class Recorded(Answer):
        listing = 200

        def list_objects(self) -> None:
            requests.append(self.headers.get("Authorization", ""))
            super().list_objects()

    monkeypatch.setattr(boto3, "DEFAULT_SESSION", None)  # it remembers credentials
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "from-the-chain")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    with ThreadingHTTPServer(("127.0.0.1", 0), Recorded) as server:
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        address = f"http://127.0.0.1:{server.server_port}"
        for key in ("", "given"):
            ObjectStore(Settings.model_validate({"s3_endpoint": address, "s3_access_key": key})).check_bucket()
        server.shutdown()
    assert ["Credential=from-the-chain/" in one for one in requests] == [True, False]


def test_missing_credentials_stop_the_process_with_the_settings_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(boto3, "DEFAULT_SESSION", None)
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", "/none")
    monkeypatch.setenv("AWS_CONFIG_FILE", "/none")
    store = ObjectStore(Settings.model_validate({"s3_access_key": ""}))
    with pytest.raises(Fatal, match="XRAY_S3_ACCESS_KEY"):
        store.check_bucket()
    assert isinstance(failure(store, THEIRS), Fatal)
