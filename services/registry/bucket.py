"""A model repository in object storage: worked on in a copy on this machine, every change put into the bucket.

Triton reads a model's objects anew at each load. A version's objects are there before `config.pbtxt`, one object, names
it; so nobody reads half a version. A lock of the ledger's database keeps others waiting: it ends with the process.

The model repository that XRAY_MODEL_REPOSITORY names: a folder, or a place in object storage.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Final

from tritonclient.grpc import model_config_pb2

from services.common.atomic import replace
from services.common.errors import Fatal, Rejected
from services.common.settings import Settings
from services.common.store import ObjectStore
from services.ledger.database import connect, sorted_errors
from services.registry.repository import BYTECODE, FILE, ModelRepository


def repository_of(settings: Settings) -> ModelRepository:
    """Open it; raises Fatal when there is none, Retriable when the object store is away.

    Of one in object storage a copy is kept in `$XDG_CACHE_HOME/xray/models`, so that only what is new is fetched.
    """
    place = settings.model_repository
    if not place.startswith(SCHEME):
        return ModelRepository(place)
    cache = Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser()
    name = hashlib.sha256(f"{settings.s3_endpoint} {place}".encode()).hexdigest()[:16]
    return BucketRepository(settings, place, cache / "xray" / "models" / name)


SCHEME: Final = "s3://"
_KNOWN: Final = ".objects.json"
_LOCK: Final = int.from_bytes(b"models", "big")


def bucket_and_prefix(place: str) -> tuple[str, str]:
    """Take `s3://bucket/prefix` apart; raises Fatal for what is no such place."""
    bucket, _, prefix = place.removeprefix(SCHEME).rstrip("/").partition("/")
    if not bucket or not prefix:
        msg = f"XRAY_MODEL_REPOSITORY is {place!r}; write s3://bucket/prefix"
        raise Fatal(msg)
    return bucket, prefix


class BucketRepository(ModelRepository):
    """`s3://bucket/prefix`, with the endpoint and keys of the settings."""

    def __init__(self, settings: Settings, place: str, copy: Path) -> None:
        """Fetch what is new into the folder `copy`; raises Retriable when the store is away, Fatal for no place."""
        bucket, prefix = bucket_and_prefix(place)
        copy.mkdir(parents=True, exist_ok=True)
        super().__init__(copy)
        self._dsn = settings.postgres_dsn.get_secret_value()
        self._store = ObjectStore(settings.model_copy(update={"s3_bucket": bucket}))
        self._prefix = f"{prefix}/"
        with super().locked():
            self._fetch()

    def place(self, incoming: Path, folder: Path) -> None:
        """Put the files into the bucket, a configuration last."""
        super().place(incoming, folder)
        files = [path for path in folder.rglob("*") if path.is_file()]
        for path in sorted(files, key=lambda path: (path.name == FILE, path)):
            self._put(path)

    def remove(self, model: str, version: int) -> None:
        """Delete a version's objects and its folder; the card stays as history."""
        self._delete(f"{model}/{version}/")
        super().remove(model, version)

    def clean(self, model: str, version: int) -> None:
        """Delete compiled programs, which nobody but a stranger puts into a bucket."""
        self._delete(f"{model}/{version}/{BYTECODE}/")
        super().clean(model, version)

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Keep others that change this repository waiting, and see what they have changed."""
        with closing(connect(self._dsn, "xray models")) as connection:
            with sorted_errors("wait for others that change the model repository"):
                connection.execute("select pg_advisory_lock(%s)", [_LOCK])
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
        """Bring the copy up to date: objects whose ETag is another, and nothing that is not in the bucket."""
        known: dict[str, str] = _read(self.root / _KNOWN)
        there = {key.removeprefix(self._prefix): etag for key, etag in self._store.etags(self._prefix).items()}
        for name, etag in there.items():
            path = self._path(name)
            if known.get(name) != etag or not path.is_file():
                path.parent.mkdir(parents=True, exist_ok=True)
                replace(path, self._store.get(f"{self._prefix}{name}"))
        for path in self.root.glob("*/**/*"):
            if path.is_file() and str(path.relative_to(self.root)) not in there:
                path.unlink()
        for path in sorted(self.root.glob("*/**/"), reverse=True):
            if path != self.root and not any(path.iterdir()):
                path.rmdir()
        replace(self.root / _KNOWN, json.dumps(there).encode())

    def _path(self, name: str) -> Path:
        path = self.root / name
        if path.resolve() != path or not path.is_relative_to(self.root) or path == self.root:
            raise Rejected("path_escapes", f"the object {self._prefix}{name} does not lie in the model repository")
        return path


def _read(path: Path) -> dict[str, str]:
    try:
        return dict(json.loads(path.read_bytes()))
    except (OSError, ValueError, TypeError):
        return {}
