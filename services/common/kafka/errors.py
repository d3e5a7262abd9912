"""Translates the errors of kafka-python into Retriable, Rejected and Fatal, for every client of this system.

- Fatal: the broker refuses these credentials or rights, a topic is missing, or client and broker do not fit together.
  Waiting changes none of these.
- Rejected: this one record is larger than its topic allows.
- Retriable: everything else. kafka-python marks as retriable only what an immediate second request may solve, so its
  own mark is too narrow: a broker that restarts also answers with errors that it does not mark.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from kafka import errors

from services.common.errors import Fatal, PipelineError, Rejected, Retriable
from services.common.kafka.security import ConnectionRefusedByBrokerError

_UNKNOWN: Final = (
    errors.SaslAuthenticationFailedError,
    errors.IllegalSaslStateError,
    errors.UnsupportedSaslMechanismError,
    errors.UnacceptableCredentialError,
)
_REFUSED: Final = (
    errors.AuthorizationError,
    errors.SecurityDisabledError,
    errors.DelegationTokenAuthDisabledError,
    errors.DelegationTokenExpiredError,
    errors.DelegationTokenNotFoundError,
    errors.DelegationTokenOwnerMismatchError,
    errors.DelegationTokenRequestNotAllowedError,
)
_MISCONFIGURED: Final = (
    errors.KafkaConfigurationError,
    errors.InvalidConfigurationError,
    errors.UnsupportedVersionError,
    errors.UnsupportedCodecError,
    errors.UnsupportedCompressionTypeError,
)
_MISSING_TOPIC: Final = (errors.UnknownTopicOrPartitionError, errors.InvalidTopicError)
TOO_LARGE: Final = (errors.MessageSizeTooLargeError, errors.RecordListTooLargeError)
"""Errors about a record that is larger than its topic allows."""


@contextmanager
def translated(what: str) -> Iterator[None]:
    """Translate the Kafka errors of the block; `what` completes "could not ..."."""
    try:
        yield
    except errors.KafkaError as error:
        raise pipeline_error(what, error) from error


def pipeline_error(what: str, error: errors.KafkaError) -> PipelineError:
    """Return the error to raise when Kafka could not do `what`."""
    if isinstance(error, (*_UNKNOWN, ConnectionRefusedByBrokerError)):
        return Fatal(
            f"Kafka refused the connection, could not {what}: {error!r}; check XRAY_KAFKA_SECURITY, "
            "XRAY_KAFKA_USERNAME, XRAY_KAFKA_PASSWORD, XRAY_KAFKA_MECHANISM, XRAY_KAFKA_CA_FILE and "
            "XRAY_KAFKA_CERT_FILE, and that XRAY_KAFKA_BOOTSTRAP names the port for them"
        )
    if isinstance(error, _REFUSED) or _is_refused_producer(error):
        return Fatal(
            f"Kafka refused to {what}: {error!r}; check that XRAY_KAFKA_BOOTSTRAP names the right cluster, "
            "and the access rights there (`xray access`)"
        )
    if isinstance(error, _MISSING_TOPIC):
        return Fatal(f"could not {what}: a topic does not exist ({error!r}); run `xray init`")
    if isinstance(error, _MISCONFIGURED):
        return Fatal(f"Kafka cannot {what}: {error!r}; check XRAY_KAFKA_BOOTSTRAP and the version of the broker")
    if isinstance(error, TOO_LARGE):
        return Rejected("message_too_large", f"could not {what}: the record is larger than its topic allows: {error!r}")
    return Retriable(f"Kafka away, could not {what}: {error!r}", server="kafka", kind=type(error).__name__)


def _is_refused_producer(error: errors.KafkaError) -> bool:
    """Whether a producer may write nothing at all: kafka-python wraps the refusal of its id in a plain KafkaError."""
    return type(error) is errors.KafkaError and "AuthorizationFailedError" in str(error)


def missing_topics(*names: str) -> Fatal:
    """Return the error for topics that do not exist."""
    listing = f"topic {names[0]} does" if len(names) == 1 else f"topics {', '.join(names)} do"
    return Fatal(f"{listing} not exist; run `xray init` (these credentials may also lack access)")
