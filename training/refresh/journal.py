"""The finished steps of a run: one record per step, written to its folder and object storage after the step's effects.

A run that was killed continues after its last record. So does one whose folder was lost: the records, and the files
whose digests they contain, are restored from object storage.
"""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from services.common.atomic import replace
from services.common.errors import Fatal
from services.common.store import ObjectStore
from services.registry.decision import PREFIX

_FILES: Final = "files"

Record = dict[str, Any]


class RefreshJournal:
    """The records of one run."""

    def __init__(self, folder: Path, store: ObjectStore, run: str) -> None:
        self.folder = folder
        self._store = store
        self._prefix = f"{PREFIX}/{run}/steps/"

    def read(self, step: str) -> Record | None:
        """Return a step's record, with its files in place; None if the step is not done.

        Raises Fatal if a file of the record is in neither the folder nor object storage.
        """
        path = self._path(step)
        if not path.exists():
            key = f"{self._prefix}{step}.json"
            if not self._store.exists(key):
                return None
            replace(path, self._store.get(key))
        record: Record = json.loads(path.read_bytes())
        for name, digest in record.get(_FILES, {}).items():
            self._restore(self.folder / name, digest)
        return record

    def write(self, step: str, record: Mapping[str, Any], files: tuple[Path, ...] = ()) -> Record:
        """Record that a step is done; `files`, in the run's folder, are stored in object storage by their digest."""
        digests = {str(file.relative_to(self.folder)): self._store_file(file) for file in files}
        whole = {**record, _FILES: digests} if digests else dict(record)
        data = (json.dumps(whole, indent=2, sort_keys=True) + "\n").encode()
        self._store.put(f"{self._prefix}{step}.json", data, "application/json")
        replace(self._path(step), data)
        return whole

    def has(self, step: str) -> bool:
        """Return whether a step is done."""
        return self._path(step).exists() or self._store.exists(f"{self._prefix}{step}.json")

    def _path(self, step: str) -> Path:
        path = self.folder / "steps" / f"{step}.json"
        path.parent.mkdir(parents=True, exist_ok=True)
        return path

    def _store_file(self, file: Path) -> str:
        data = file.read_bytes()
        digest = hashlib.sha256(data).hexdigest()
        if not self._store.exists(artefact_key(digest)):
            self._store.put(artefact_key(digest), data)
        return digest

    def _restore(self, file: Path, digest: str) -> None:
        if file.exists() and hashlib.sha256(file.read_bytes()).hexdigest() == digest:
            return
        key = artefact_key(digest)
        data = self._store.get(key) if self._store.exists(key) else b""
        if hashlib.sha256(data).hexdigest() != digest:
            msg = f"{file} and {key} in object storage have changed: remove {self.folder} and {self._prefix}"
            raise Fatal(msg)
        file.parent.mkdir(parents=True, exist_ok=True)
        replace(file, data)


def artefact_key(digest: str) -> str:
    """Return the key of a file by its SHA-256."""
    return f"{PREFIX}/artefacts/{digest[:2]}/{digest}"
