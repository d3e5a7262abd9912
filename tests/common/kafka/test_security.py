"""Credentials for Kafka: which combinations are accepted, and what a client does when a broker refuses."""

import ssl
import threading
from pathlib import Path
from typing import Any

import pytest
import trustme
from kafka import errors

from services.common.errors import Fatal, Retriable
from services.common.kafka import security
from services.common.kafka.clients import open_admin, open_consumer, open_producer
from services.common.kafka.errors import pipeline_error
from services.common.kafka.security import refusal, security_options, tls_context
from services.common.settings import Settings, load, settings_of

LOGIN = {"XRAY_KAFKA_USERNAME": "intake", "XRAY_KAFKA_PASSWORD": "planted-password"}


@pytest.fixture
def authority(tmp_path: Path) -> Path:
    """The certificate of an authority."""
    file = tmp_path / "ca.pem"
    trustme.CA().cert_pem.write_to_path(str(file))
    return file


@pytest.mark.parametrize(
    ("environment", "message"),
    [
        (LOGIN, "need XRAY_KAFKA_SECURITY=SASL_SSL, not PLAINTEXT"),
        (LOGIN | {"XRAY_KAFKA_SECURITY": "SSL"}, "need XRAY_KAFKA_SECURITY=SASL_SSL, not SSL"),
        ({"XRAY_KAFKA_SECURITY": "SASL_SSL"}, "needs XRAY_KAFKA_USERNAME and XRAY_KAFKA_PASSWORD"),
        (
            {"XRAY_KAFKA_SECURITY": "SASL_SSL", "XRAY_KAFKA_USERNAME": "intake"},
            "needs XRAY_KAFKA_USERNAME and XRAY_KAFKA_PASSWORD",
        ),
        ({"XRAY_KAFKA_CA_FILE": "ca.pem"}, "need XRAY_KAFKA_SECURITY=SSL or SASL_SSL, not PLAINTEXT"),
        ({"XRAY_KAFKA_SECURITY": "SSL", "XRAY_KAFKA_KEY_FILE": "a.key"}, "XRAY_KAFKA_KEY_FILE needs"),
        (
            LOGIN | {"XRAY_KAFKA_SECURITY": "SASL_PLAINTEXT", "XRAY_KAFKA_MECHANISM": "PLAIN"},
            "would send the password unencrypted",
        ),
        ({"XRAY_KAFKA_SECURITY": "TLS"}, "XRAY_KAFKA_SECURITY: Input should be 'PLAINTEXT'"),
    ],
)
def test_settings_that_contradict_each_other_are_named_without_the_password(
    monkeypatch: pytest.MonkeyPatch, environment: dict[str, str], message: str
) -> None:
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(Fatal) as caught:
        load(Settings)
    assert message in str(caught.value)
    assert "planted-password" not in f"{caught.value!r} {caught.value.__cause__!r}"
    assert caught.value.__suppress_context__


def test_a_password_over_tls_reaches_the_client(authority: Path) -> None:
    found = security_options(
        settings_of(LOGIN | {"XRAY_KAFKA_SECURITY": "SASL_SSL", "XRAY_KAFKA_CA_FILE": str(authority)})
    )
    assert (found["security_protocol"], found["sasl_mechanism"]) == ("SASL_SSL", "SCRAM-SHA-512")
    assert (found["sasl_plain_username"], found["sasl_plain_password"]) == ("intake", "planted-password")
    context: ssl.SSLContext = found["ssl_context"]
    assert context.check_hostname
    assert context.verify_mode is ssl.CERT_REQUIRED


def test_an_open_broker_needs_neither() -> None:
    assert security_options(Settings()) == {
        "security_protocol": "PLAINTEXT",
        "kafka_client": security.RefusalAwareClient,
    }


def test_a_certificate_that_cannot_be_read_is_named(tmp_path: Path, authority: Path) -> None:
    with pytest.raises(Fatal, match="XRAY_KAFKA_CA_FILE"):
        tls_context(Settings(kafka_security="SSL", kafka_ca_file=str(tmp_path / "missing.pem")))
    with pytest.raises(Fatal, match="XRAY_KAFKA_CERT_FILE"):
        tls_context(Settings(kafka_security="SSL", kafka_cert_file=str(authority)))


@pytest.mark.parametrize(
    "error",
    [
        errors.SaslAuthenticationFailedError("wrong password"),
        errors.UnsupportedSaslMechanismError(),
        errors.InvalidReceiveError("Invalid frame length: 352518912"),
        errors.KafkaConnectionError("Handshake failed: [SSL: CERTIFICATE_VERIFY_FAILED] certificate verify failed"),
        errors.KafkaConnectionError("[SSL: SSLV3_ALERT_BAD_CERTIFICATE] sslv3 alert bad certificate (_ssl.c:2580)"),
    ],
)
def test_a_refused_connection_is_fatal_and_names_the_settings(error: errors.KafkaError) -> None:
    refused = refusal(error)
    assert refused is not None
    found = pipeline_error("reach the broker", refused)
    assert isinstance(found, Fatal)
    for name in ("SECURITY", "USERNAME", "PASSWORD", "CA_FILE", "CERT_FILE"):
        assert f"XRAY_KAFKA_{name}" in str(found)


@pytest.mark.parametrize(
    "error",
    [
        None,
        errors.KafkaConnectionError("socket disconnected"),
        errors.KafkaConnectionError("Handshake failed: [SSL: UNEXPECTED_EOF_WHILE_READING] EOF occurred"),
        errors.KafkaTimeoutError(),
    ],
)
def test_a_lost_connection_is_no_refusal(error: Exception | None) -> None:
    assert refusal(error) is None


def test_a_producer_without_any_right_to_write_is_refused_not_away() -> None:
    """kafka-python reports the refusal of a producer id as a plain KafkaError."""
    message = "Unexpected error in InitProducerIdResponse: [Error 31] ClusterAuthorizationFailedError"
    assert isinstance(pipeline_error("publish", errors.KafkaError(message)), Fatal)
    assert isinstance(pipeline_error("publish", errors.KafkaError("something else")), Retriable)


@pytest.mark.parametrize("client", [open_admin, open_consumer, open_producer])
def test_a_failed_attempt_to_connect_leaves_no_thread(client: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """A service tries again while the broker is away, for hours if need be."""
    monkeypatch.setattr("services.common.kafka.clients._CONNECT_MS", 100)
    before = set(threading.enumerate())
    with pytest.raises(Retriable):
        client(Settings(kafka_bootstrap="127.0.0.1:1"))
    assert set(threading.enumerate()) == before


class Manager:
    """A connection manager that only records outcomes; kafka-python raises what `_auth_failures` holds."""

    note = security._Manager.note

    def __init__(self) -> None:
        self._was_connected = False
        self._auth_failures: dict[str, Exception] = {}
        self._refused_since: dict[str, float] = {}


def test_a_refusal_at_the_start_is_raised_at_once() -> None:
    manager: Any = Manager()
    manager.note("bootstrap-0", errors.SaslAuthenticationFailedError())
    assert isinstance(manager._auth_failures["bootstrap-0"], errors.SaslAuthenticationFailedError)


def test_a_connected_client_tries_again_for_a_while(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [100.0]
    monkeypatch.setattr("services.common.kafka.security.time.monotonic", lambda: now[0])
    manager: Any = Manager()
    manager.note(1, None)
    manager.note(1, errors.SaslAuthenticationFailedError())
    assert not manager._auth_failures
    manager.note(1, None)
    now[0] += security.PATIENCE_SECONDS
    manager.note(1, errors.SaslAuthenticationFailedError())
    assert not manager._auth_failures
    now[0] += security.PATIENCE_SECONDS
    manager.note(1, errors.SaslAuthenticationFailedError())
    assert 1 in manager._auth_failures


def test_the_last_answer_before_the_end_of_a_connection_is_read() -> None:
    end = errors.KafkaConnectionError("socket disconnected")
    received = security._data_before_error(lambda: (b"wrong password", end))
    assert received() == (b"wrong password", None)
    assert received() == (b"", end)
