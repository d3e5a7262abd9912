"""Classifies the errors of boto3 as Retriable, Rejected or Fatal, for every access to object storage.

Retriable is an allow-list: no answer, throttling, a fault of the server. Any other answer will be the same next time.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from botocore import exceptions
from botocore.exceptions import BotoCoreError, ClientError, NoCredentialsError, ParamValidationError
from botocore.parsers import ResponseParserError
from urllib3.exceptions import HTTPError

from services.common.errors import Fatal, Rejected, Retriable

MISSING: Final = {"NoSuchKey", "404", "NotFound"}
_MISCONFIGURED: Final = {
    "403",
    "AccessDenied",
    "ExpiredToken",
    "InvalidAccessKeyId",
    "InvalidToken",
    "NoSuchBucket",
    "SignatureDoesNotMatch",
}
_TRANSIENT: Final = {
    "BandwidthLimitExceeded",
    "ConditionalRequestConflict",
    "InternalError",
    "OperationAborted",
    "PriorRequestNotComplete",
    "RequestLimitExceeded",
    "RequestThrottled",
    "RequestThrottledException",
    "RequestTimeout",
    "RequestTimeoutException",
    # The clock of one of the two machines is wrong, which time servers correct; never the fault of an event.
    "RequestTimeTooSkewed",
    "ServiceUnavailable",
    "SlowDown",
    "ThrottledException",
    "Throttling",
    "ThrottlingException",
    "TooManyRequestsException",
}
_AWAY: Final = (
    exceptions.ConnectionError,
    exceptions.HTTPClientError,
    exceptions.IncompleteReadError,
    exceptions.CredentialRetrievalError,
    exceptions.MetadataRetrievalError,
    ResponseParserError,
    HTTPError,
    OSError,
)
"""No answer, or half of one; also from a server that hands out credentials, or from a proxy that answers in HTML."""
_NO_CREDENTIALS: Final = (
    "no credentials for the object store; set XRAY_S3_ACCESS_KEY and XRAY_S3_SECRET_KEY, or give boto3 its own "
    "(AWS_ACCESS_KEY_ID, a profile, a role)"
)
_UNTRUSTED: Final = ("CERTIFICATE_VERIFY_FAILED", "doesn't match")
"""What OpenSSL and urllib3 write of a certificate that is expired, of an unknown authority or of another host."""
ERRORS: Final = (ClientError, BotoCoreError, *_AWAY)


@contextmanager
def translated(what: str, *, reading: bool = False) -> Iterator[None]:
    """Translate the errors of the block as `fault_of` does; `what` completes "could not ..."."""
    try:
        yield
    except ERRORS as error:
        raise fault_of(what, error, reading=reading) from error


def fault_of(what: str, error: Exception, *, reading: bool) -> Rejected | Retriable | Fatal:
    """Classify boto3's error; a refusal while `reading` is about the object, unless it is about rights."""
    code = code_of(error)
    detail = code if reading else error  # the error may contain the whole URL, and an event chose the key
    if code in MISSING:
        return Rejected("object_missing", f"could not {what}: no such object")
    if remedy := _remedy(error):
        return Fatal(f"could not {what}: {remedy}")
    if isinstance(error, _AWAY):
        return Retriable(f"object store away, could not {what}: {detail}", server="objects", kind=code)
    if _is_transient(error):
        return Retriable(f"could not {what}: {detail}", server="objects", kind=code)
    if reading and isinstance(error, ClientError | ParamValidationError) and code not in _MISCONFIGURED:
        return refused(what, error)
    why = "access denied" if code == "403" else f"{code} ({error})"
    remedy = "check XRAY_S3_ENDPOINT, XRAY_S3_BUCKET, XRAY_S3_REGION, the S3 keys and their rights"
    return Fatal(f"could not {what}: {why}; {remedy}")


def _remedy(error: Exception) -> str | None:
    """Return what is wrong with the configuration, and how to fix it, if no request can succeed with it."""
    if isinstance(error, NoCredentialsError):
        return _NO_CREDENTIALS
    if isinstance(error, exceptions.SSLError) and any(text in str(error) for text in _UNTRUSTED):
        return (
            f"the certificate of the object store is not trusted ({error}); check its dates and its host name "
            "(XRAY_S3_ENDPOINT), and set XRAY_S3_CA_FILE to the authority that signed it"
        )
    return None


def refused(what: str, error: Exception) -> Rejected:
    """Return the rejection of an object that the store does not give out, with the store's code in `details`."""
    code = code_of(error)
    return Rejected("source_refused", f"could not {what}: the object store answered {code}", code=code)


def _is_transient(error: Exception) -> bool:
    if not isinstance(error, ClientError):
        return False
    status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
    return status >= 500 or status in {408, 429} or code_of(error) in _TRANSIENT


def code_of(error: Exception) -> str:
    """Return S3's code, or the name of the error where the store gave none."""
    code = error.response.get("Error", {}).get("Code") if isinstance(error, ClientError) else None
    return code or type(error).__name__
