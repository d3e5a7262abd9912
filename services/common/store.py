"""Object storage through boto3, with its errors translated to Retriable, Rejected and Fatal."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final, Protocol

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from services.common.errors import Fatal, Rejected, Retriable
from services.common.settings import Settings

if TYPE_CHECKING:
    from mypy_boto3_s3.client import S3Client

_MISSING: Final = {"NoSuchKey", "404", "NotFound"}
_TAKEN: Final = "PreconditionFailed"
"""The similar ConditionalRequestConflict only means that somebody else is writing the key now, so it is retried."""
_MISCONFIGURED: Final = {"NoSuchBucket", "InvalidAccessKeyId", "SignatureDoesNotMatch", "AccessDenied"}


class ServiceStore(Protocol):
    """What the services need of object storage. ObjectStore implements it and documents what each method raises."""

    bucket: str

    def put(self, key: str, data: bytes, content_type: str = ...) -> None: ...  # noqa: D102
    def put_new(self, key: str, data: bytes) -> bool: ...  # noqa: D102
    def get(self, key: str, bucket: str | None = None, limit: int | None = None) -> bytes: ...  # noqa: D102
    def keys(self, prefix: str) -> list[str]: ...  # noqa: D102
    def check_bucket(self) -> None: ...  # noqa: D102


class ObjectStore:
    """One bucket. Thread-safe; acknowledged writes are durable and immediately visible to every reader.

    Every method raises Retriable when the store is away and Fatal when bucket or credentials are wrong.
    """

    def __init__(self, settings: Settings, *, connections: int = 16) -> None:
        """Connect lazily: nothing is sent before the first call."""
        self.bucket = settings.s3_bucket
        self._client: S3Client = boto3.client(
            "s3",
            endpoint_url=settings.s3_endpoint,
            aws_access_key_id=settings.s3_access_key,
            aws_secret_access_key=settings.s3_secret_key.get_secret_value(),
            region_name=settings.s3_region,
            verify=settings.s3_ca_file or None,
            config=Config(
                connect_timeout=3,
                read_timeout=20,
                # The batch loop owns retries, since only it can keep the partition while it waits.
                retries={"total_max_attempts": 1, "mode": "standard"},
                max_pool_connections=connections,
                s3={"addressing_style": "path"},
                request_checksum_calculation="when_required",
                response_checksum_validation="when_required",
            ),
        )

    def put(self, key: str, data: bytes, content_type: str = "application/octet-stream") -> None:
        """Store `data` under `key`, replacing an existing object."""
        with _translated(f"put {key}"):
            self._client.put_object(Bucket=self.bucket, Key=key, Body=data, ContentType=content_type)

    def put_new(self, key: str, data: bytes) -> bool:
        """Store `data` under a key that does not exist yet; return False, and change nothing, if it exists.

        Raises Retriable while somebody else is writing it.
        """
        try:
            with _translated(f"put {key}"):
                self._client.put_object(Bucket=self.bucket, Key=key, Body=data, IfNoneMatch="*")
        except Retriable as error:
            if error.kind == _TAKEN:
                return False
            raise
        return True

    def get(self, key: str, bucket: str | None = None, limit: int | None = None) -> bytes:
        """Read an object; raises Rejected(`object_missing`), or (`file_too_large`) before reading a larger one."""
        with _translated(f"get {key}"):
            answer = self._client.get_object(Bucket=bucket or self.bucket, Key=key)
            size = answer["ContentLength"]
            if limit is not None and size > limit:
                answer["Body"].close()
                raise Rejected("file_too_large", f"{key} has {size} bytes, the limit is {limit}", bytes=size)
            return answer["Body"].read()

    def exists(self, key: str) -> bool:
        """Return whether an object exists."""
        try:
            with _translated(f"head {key}"):
                self._client.head_object(Bucket=self.bucket, Key=key)
        except Rejected:
            return False
        return True

    def keys(self, prefix: str) -> list[str]:
        """List all keys below `prefix`, in byte order."""
        return list(self.etags(prefix))

    def etags(self, prefix: str) -> dict[str, str]:
        """List all keys below `prefix` with their ETags: a different ETag means different bytes."""
        with _translated(f"list {prefix}"):
            pages = self._client.get_paginator("list_objects_v2").paginate(Bucket=self.bucket, Prefix=prefix)
            return {item["Key"]: item["ETag"] for page in pages for item in page.get("Contents", [])}

    def delete(self, key: str) -> None:
        """Delete an object if it exists. Originals and views are never deleted."""
        with _translated(f"delete {key}"):
            self._client.delete_object(Bucket=self.bucket, Key=key)

    def create_bucket(self) -> bool:
        """Create the bucket; return False if it exists."""
        try:
            self.check_bucket()
        except Fatal:
            with _translated(f"create bucket {self.bucket}"):
                self._client.create_bucket(Bucket=self.bucket)
            return True
        return False

    def check_bucket(self) -> None:
        """Raise Fatal if the bucket is missing or these credentials have no access to it."""
        with _translated(f"reach bucket {self.bucket}"):
            found = {bucket["Name"] for bucket in self._client.list_buckets()["Buckets"]}
        if self.bucket not in found:
            msg = f"bucket {self.bucket!r} does not exist (XRAY_S3_BUCKET); run `xray init`"
            raise Fatal(msg)


@contextmanager
def _translated(what: str) -> Iterator[None]:
    try:
        yield
    except ClientError as error:
        raise _pipeline_error(what, error) from error
    except (BotoCoreError, OSError) as error:
        msg = f"object store away, could not {what}: {error}"
        raise Retriable(msg, server="objects", kind=type(error).__name__) from error


def _pipeline_error(what: str, error: ClientError) -> Exception:
    code = error.response["Error"].get("Code", "")
    if code in _MISSING:
        return Rejected("object_missing", f"could not {what}: no such object")
    if code in _MISCONFIGURED:
        return Fatal(f"could not {what}: {code}; check XRAY_S3_ENDPOINT, XRAY_S3_BUCKET and the S3 keys")
    return Retriable(f"could not {what}: {error}", server="objects", kind=code or "ClientError")
