"""The record of a refresh run: its inputs, with the rules of the gate, and its finished steps.

The run's name is the digest of the inputs, so equal inputs are the same run. One record per step is written to its
folder and object storage after the step's effects. A run that was killed continues after its last record. So does one
whose folder was lost: the records, and the files whose digests they contain, are restored from object storage.
"""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from pydantic import BaseModel, ConfigDict, Field

from services.common.atomic import replace
from services.common.errors import Fatal
from services.common.events.base import digest
from services.common.store import ObjectStore
from services.registry.decision import PREFIX


class GateRules(BaseModel):
    """What a candidate must prove on the evaluation set.

    No level's mean AUC may be worse by `auc_margin` or more, and level 1's sensitivity not by `sensitivity_margin`;
    both are judged by the lower bound of the paired difference. The gate needs at least `least_specimens` with a known
    level 1, of which `least_abnormal` are abnormal and as many normal. With `trust_labels`, labels pass that contradict
    the models that serve.
    """

    model_config = ConfigDict(frozen=True)

    auc_margin: float = Field(default=0.01, ge=0, le=0.5)
    sensitivity_margin: float = Field(default=0.03, ge=0, le=0.5)
    least_specimens: int = Field(default=100, ge=2)
    least_abnormal: int = Field(default=20, ge=1)
    trust_labels: bool = False


_LETTERS: Final = 16


class Inputs(BaseModel):
    """Everything that determines the outcome.

    `versions` and `cards` are those that served under `activation`, `size` is that of their networks, `plan` the digest
    of the training plans. The activation's number is not part of the name: the same versions after a rollback are the
    same starting point.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    dataset_digest: str
    evaluation_digest: str
    activation: int
    versions: dict[str, int] = Field(min_length=1)
    cards: dict[str, str]
    size: str
    plan: str
    rules: GateRules
    seed: int

    @property
    def run(self) -> str:
        """Name of the run, in folders and in object storage."""
        return digest(self.model_dump(mode="json", exclude={"activation"}))[:_LETTERS]


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
        for name, sha256 in record.get(_FILES, {}).items():
            self._restore(self.folder / name, sha256)
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
