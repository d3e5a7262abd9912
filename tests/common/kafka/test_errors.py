"""Each error of kafka-python and how a caller should react to it."""

import inspect

import pytest
from kafka import errors

from services.common.errors import Fatal, Rejected, Retriable
from services.common.kafka.clients import open_admin, open_consumer, open_producer
from services.common.kafka.errors import missing_topics, pipeline_error, translated
from services.common.settings import Settings

ALL: list[type[errors.KafkaError]] = sorted(
    (
        one
        for _, one in inspect.getmembers(errors, inspect.isclass)
        if issubclass(one, errors.KafkaError) and one is not errors.NoError
    ),
    key=lambda one: one.__name__,
)
REFUSED = {
    "AuthorizationError",
    "ClusterAuthorizationFailedError",
    "DelegationTokenAuthDisabledError",
    "DelegationTokenAuthorizationFailedError",
    "DelegationTokenExpiredError",
    "DelegationTokenNotFoundError",
    "DelegationTokenOwnerMismatchError",
    "DelegationTokenRequestNotAllowedError",
    "GroupAuthorizationFailedError",
    "IllegalSaslStateError",
    "SaslAuthenticationFailedError",
    "SecurityDisabledError",
    "TopicAuthorizationFailedError",
    "TransactionalIdAuthorizationFailedError",
    "UnacceptableCredentialError",
    "UnsupportedSaslMechanismError",
}
MISCONFIGURED = {
    "IncompatibleBrokerVersion",
    "InvalidConfigurationError",
    "KafkaConfigurationError",
    "UnsupportedCodecError",
    "UnsupportedCompressionTypeError",
    "UnsupportedVersionError",
}
MISSING = {"InvalidTopicError", "UnknownTopicOrPartitionError"}
TOO_LARGE = {"MessageSizeTooLargeError", "RecordListTooLargeError"}


@pytest.mark.parametrize("kind", ALL, ids=lambda one: one.__name__)
def test_every_error_has_its_remedy(kind: type[errors.KafkaError]) -> None:
    found = pipeline_error("read a", kind("why"))
    name = kind.__name__
    assert "read a" in str(found)
    if name in REFUSED | MISCONFIGURED:
        assert isinstance(found, Fatal)
        assert "XRAY_KAFKA_BOOTSTRAP" in str(found)
    elif name in MISSING:
        assert isinstance(found, Fatal)
        assert "run `xray init`" in str(found)
    elif name in TOO_LARGE:
        assert isinstance(found, Rejected)
        assert found.reason == "message_too_large"
    else:
        assert isinstance(found, Retriable)
        assert (found.server, found.kind) == ("kafka", name)


@pytest.mark.parametrize(
    "kind", [one for one in ALL if issubclass(one, errors.RetriableError)], ids=lambda one: one.__name__
)
def test_what_the_client_calls_retriable_is_retried_unless_a_topic_is_missing(kind: type[errors.KafkaError]) -> None:
    found = pipeline_error("read a", kind())
    assert isinstance(found, Retriable) or kind.__name__ in MISSING


def test_the_cause_is_kept_and_other_errors_pass() -> None:
    cause = errors.KafkaTimeoutError("slow")
    with pytest.raises(Retriable) as caught, translated("read a"):
        raise cause
    assert caught.value.__cause__ is cause
    with pytest.raises(ZeroDivisionError), translated("read a"):
        raise ZeroDivisionError


def test_missing_topics_are_named() -> None:
    assert (
        str(missing_topics("a")) == "topic a does not exist; run `xray init` (these credentials may also lack access)"
    )
    assert str(missing_topics("a", "b")) == (
        "topics a, b do not exist; run `xray init` (these credentials may also lack access)"
    )


@pytest.mark.parametrize("client", [open_consumer, open_producer, open_admin])
def test_a_malformed_address_is_a_misconfiguration(client: object) -> None:
    assert callable(client)
    with pytest.raises(Fatal, match=r"XRAY_KAFKA_BOOTSTRAP is 'abc:xx'; write host:port"):
        client(Settings(kafka_bootstrap="abc:xx"))
