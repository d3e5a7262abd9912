"""The model repository that XRAY_MODEL_REPOSITORY names: a folder, or a prefix in object storage.

A repository in object storage is edited in a local copy, and every change is uploaded to the bucket. Triton reads a
model's objects again at each load. All objects of a version are stored before `config.pbtxt`, a single object, names
it, so nobody reads half a version. A lock in the ledger's database makes others wait; it ends with the process.
"""

import hashlib
import json
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Final

from platformdirs import user_cache_path
from tritonclient.grpc import model_config_pb2

from services.common.atomic import replace
from services.common.errors import Fatal, Rejected
from services.common.settings import Settings
from services.common.store import ObjectStore
from services.ledger.database import connect
from services.ledger.locks import wait_for_lock
from services.registry.repository import BYTECODE, FILE, ModelRepository


def repository_of(settings: Settings) -> ModelRepository:
    """Open the repository; raises Fatal when there is none, Retriable when the object store is away.

    The copy of one in object storage is kept in the user's cache folder (`~/.cache/xray/models` on Linux), so that
    only new objects are fetched.
    """
    place = settings.model_repository
    if not place.startswith(SCHEME):
        return ModelRepository(place)
    name = hashlib.sha256(f"{settings.s3_endpoint} {place}".encode()).hexdigest()[:16]
    return BucketRepository(settings, place, user_cache_path("xray") / "models" / name)


SCHEME: Final = "s3://"
_KNOWN: Final = ".objects.json"
_LOCK: Final = "models"


def bucket_and_prefix(place: str) -> tuple[str, str]:
    """Split `s3://bucket/prefix` into bucket and prefix; raises Fatal for any other text."""
    bucket, _, prefix = place.removeprefix(SCHEME).rstrip("/").partition("/")
    if not bucket or not prefix:
        msg = f"XRAY_MODEL_REPOSITORY is {place!r}; write s3://bucket/prefix"
        raise Fatal(msg)
    return bucket, prefix


class BucketRepository(ModelRepository):
    """`s3://bucket/prefix`, with the endpoint and keys of the settings."""

    def __init__(self, settings: Settings, place: str, copy: Path) -> None:
        """Fetch new objects into the folder `copy`; raises Retriable if the store is away, Fatal for a bad `place`."""
        bucket, prefix = bucket_and_prefix(place)
        copy.mkdir(parents=True, exist_ok=True)
        super().__init__(copy)
        self._dsn = settings.postgres_dsn.get_secret_value()
        self._store = ObjectStore(settings.model_copy(update={"s3_bucket": bucket}))
        self._prefix = f"{prefix}/"
        with super().locked():
            self._fetch()

    def place(self, incoming: Path, folder: Path) -> None:
        """Upload the files to the bucket, the configuration last."""
        super().place(incoming, folder)
        files = [path for path in folder.rglob("*") if path.is_file()]
        for path in sorted(files, key=lambda path: (path.name == FILE, path)):
            self._put(path)

    def remove(self, model: str, version: int) -> None:
        """Delete a version's objects and its folder; the card stays as history."""
        self._delete(f"{model}/{version}/")
        super().remove(model, version)

    def clean(self, model: str, version: int) -> None:
        """Delete compiled programs, which this project never stores in a bucket."""
        self._delete(f"{model}/{version}/{BYTECODE}/")
        super().clean(model, version)

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Make others that change this repository wait, and fetch what they have changed."""
        with closing(connect(self._dsn, "xray models")) as connection:
            wait_for_lock(connection, _LOCK)
            with super().locked():  # the copy may serve several processes of this machine
                self._fetch()
                yield

    def _configure(self, model: str, configuration: model_config_pb2.ModelConfig) -> None:
        super()._configure(model, configuration)
        self._put(self.folder(model) / FILE)

    def _delete(self, folder: str) -> None:
        for key in self._store.keys(f"{self._prefix}{folder}"):
            self._store.delete(key)

    def _put(self, path: Path) -> None:
        self._store.put(f"{self._prefix}{path.relative_to(self.root)}", path.read_bytes())

    def _fetch(self) -> None:
        """Update the copy: fetch objects whose ETag has changed, delete files that are not in the bucket."""
        known: dict[str, str] = _read(self.root / _KNOWN)
        current = {key.removeprefix(self._prefix): etag for key, etag in self._store.etags(self._prefix).items()}
        for name, etag in current.items():
            path = self._path(name)
            if known.get(name) != etag or not path.is_file():
                path.parent.mkdir(parents=True, exist_ok=True)
                replace(path, self._store.get(f"{self._prefix}{name}"))
        for path in self.root.glob("*/**/*"):
            if path.is_file() and str(path.relative_to(self.root)) not in current:
                path.unlink()
        for path in sorted(self.root.glob("*/**/"), reverse=True):
            if path != self.root and not any(path.iterdir()):
                path.rmdir()
        replace(self.root / _KNOWN, json.dumps(current).encode())

    def _path(self, name: str) -> Path:
        path = self.root / name
        if path.resolve() != path or not path.is_relative_to(self.root) or path == self.root:
            raise Rejected("path_escapes", f"the object {self._prefix}{name} is not inside the model repository")
        return path


def _read(path: Path) -> dict[str, str]:
    try:
        return dict(json.loads(path.read_bytes()))
    except (OSError, ValueError, TypeError):
        return {}
