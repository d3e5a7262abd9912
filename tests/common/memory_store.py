"""An object store in memory with the semantics of `services.common.store.ObjectStore`.

`tests/common/test_store.py` runs the same tests on both.
"""

import hashlib
import threading

from services.common.errors import Fatal, Rejected, Retriable
from services.common.sources.uri import S3Uri


class MemoryStore:
    """One bucket, and further buckets that `get` may read. Thread-safe.

    Assign `away` to make every call fail. Put a key into `contended` to make `put_new` meet a concurrent writer.
    """

    def __init__(self, bucket: str = "xray") -> None:
        self.bucket = bucket
        self.exists_bucket = True
        self.objects: dict[str, bytes] = {}
        self.content_types: dict[str, str] = {}
        self.other_buckets: dict[str, dict[str, bytes]] = {}
        self.contended: set[str] = set()
        self.away: Retriable | None = None
        self._lock = threading.Lock()

    def put(self, key: str, data: bytes, content_type: str = "application/octet-stream") -> None:
        """Store an object, replacing any existing one."""
        self._require("put", key)
        with self._lock:
            self.objects[key], self.content_types[key] = bytes(data), content_type

    def put_new(self, key: str, data: bytes) -> bool:
        """Store an object under a free key; return False and change nothing if the key exists."""
        self._require("put", key)
        with self._lock:
            if key in self.contended:
                msg = f"could not put {key}: another writer is active"
                raise Retriable(msg, server="objects", kind="ConditionalRequestConflict")
            if key in self.objects:
                return False
            self.objects[key], self.content_types[key] = bytes(data), "application/octet-stream"
            return True

    def get(self, key: str, limit: int | None = None) -> bytes:
        """Read an object; Rejected as ObjectStore raises it."""
        self._require("get", key)
        return self._read(self.objects, key, key, limit)

    def get_source(self, uri: S3Uri, limit: int) -> bytes:
        """Read an object of this or another bucket; Rejected as ObjectStore raises it."""
        self._require("get", uri.key)
        objects = self.objects if uri.bucket == self.bucket else self.other_buckets.get(uri.bucket)
        if objects is None:
            message = f"could not get {uri}: the object store answered NoSuchBucket"
            raise Rejected("source_refused", message, code="NoSuchBucket")
        return self._read(objects, uri.key, str(uri), limit)

    def _read(self, objects: dict[str, bytes], key: str, name: str, limit: int | None) -> bytes:
        with self._lock:
            data = objects.get(key)
        if data is None:
            raise Rejected("object_missing", f"could not get {name}: no such object")
        if limit is not None and len(data) > limit:
            raise Rejected("file_too_large", f"{name} has {len(data)} bytes, the limit is {limit}", bytes=len(data))
        return data

    def exists(self, key: str) -> bool:
        """Return whether an object exists."""
        self._require("head", key)
        return key in self.objects

    def keys(self, prefix: str, limit: int | None = None) -> list[str]:
        """List the keys under a prefix, in byte order: all, or the first `limit`."""
        return list(self.etags(prefix))[:limit]

    def etags(self, prefix: str) -> dict[str, str]:
        """List all keys under a prefix with the MD5 of their objects."""
        self._require("list", prefix)
        with self._lock:
            found = sorted((key for key in self.objects if key.startswith(prefix)), key=str.encode)
            return {key: f'"{hashlib.md5(self.objects[key], usedforsecurity=False).hexdigest()}"' for key in found}

    def delete(self, key: str) -> None:
        """Delete an object if it exists."""
        self._require("delete", key)
        with self._lock:
            self.objects.pop(key, None)

    def create_bucket(self) -> bool:
        """Create the bucket; return False if it already exists."""
        created = not self.exists_bucket
        self.exists_bucket = True
        return created

    def check_bucket(self) -> None:
        """Raise Fatal if the bucket is missing."""
        if self.away is not None:
            raise self.away
        if not self.exists_bucket:
            msg = f"bucket {self.bucket!r} does not exist (XRAY_S3_BUCKET); run `xray init`"
            raise Fatal(msg)

    def _require(self, what: str, key: str) -> None:
        if self.away is not None:
            raise self.away
        if not self.exists_bucket:
            msg = f"could not {what} {key}: NoSuchBucket; check XRAY_S3_ENDPOINT, XRAY_S3_BUCKET and the S3 keys"
            raise Fatal(msg)
