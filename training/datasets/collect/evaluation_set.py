"""The fixed evaluation set: test specimens on which models of every dataset are judged, until it is grown on command.

It is stored next to the datasets as `evaluation.parquet`, and in object storage as one object per generation, which is
never rewritten.
"""

from __future__ import annotations

import hashlib
import io
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import pyarrow as pa
import pyarrow.parquet as pq

from services.common.atomic import replace
from services.common.errors import Rejected
from services.common.labels import LABEL_ORDER
from services.common.store import ObjectStore

FILE: Final = "evaluation.parquet"
PREFIX: Final = "datasets/evaluation/"
_GENERATION: Final = b"generation"
Labels = tuple[int | None, ...]


@dataclass(frozen=True)
class EvaluationSet:
    """Specimens with their labels at the time they joined, and how often the set has grown."""

    generation: int
    members: Mapping[str, Labels]

    @property
    def digest(self) -> str:
        """SHA-256 of its specimens."""
        return hashlib.sha256(json.dumps(sorted(self.members)).encode()).hexdigest()

    def grown(self, others: Mapping[str, Labels]) -> EvaluationSet:
        """Return the next generation, extended by the new ones of `others`; itself if there are none."""
        new = {specimen: labels for specimen, labels in others.items() if specimen not in self.members}
        return EvaluationSet(self.generation + 1, {**self.members, **new}) if new else self

    def encoded(self) -> bytes:
        """Encode as Parquet with the columns `specimen` and `label.NAME`, null if unknown; deterministic."""
        names = sorted(self.members)
        columns = {"specimen": pa.array(names, pa.string())}
        for place, label in enumerate(LABEL_ORDER):
            values = [None if (value := self.members[name][place]) is None else bool(value) for name in names]
            columns[f"label.{label}"] = pa.array(values, pa.bool_())
        buffer = io.BytesIO()
        table = pa.table(columns).replace_schema_metadata({_GENERATION: str(self.generation)})
        pq.write_table(table, buffer)
        return buffer.getvalue()


NONE_YET: Final = EvaluationSet(0, {})


def decoded(data: bytes, where: str) -> EvaluationSet:
    """Decode the Parquet file; raises Rejected `evaluation_set_damaged`."""
    try:
        table = pq.read_table(io.BytesIO(data))
        rows = [table.column("specimen").to_pylist()]
        rows += [table.column(f"label.{label}").to_pylist() for label in LABEL_ORDER]
        generation = int(table.schema.metadata[_GENERATION])
    except (pa.ArrowException, KeyError, TypeError, ValueError) as error:
        raise Rejected("evaluation_set_damaged", f"{where} holds no evaluation set ({error}): restore it") from None
    members = {
        name: tuple(None if one is None else int(one) for one in labels) for name, *labels in zip(*rows, strict=True)
    }
    return EvaluationSet(generation, members)


class EvaluationSets:
    """Stores the evaluation set in a folder and in object storage, which is authoritative if there is one."""

    def __init__(self, folder: Path, store: ObjectStore | None) -> None:
        """Use a folder and an object store; `store` is None without object storage."""
        self._file = folder / FILE
        self._store = store

    def current(self) -> EvaluationSet:
        """Return the newest generation, `NONE_YET` before the first.

        Raises Rejected `evaluation_sets_differ` if the folder's has specimens that are missing in object storage.
        """
        local = decoded(self._file.read_bytes(), str(self._file)) if self._file.exists() else NONE_YET
        if self._store is None:
            return local
        keys = self._store.keys(PREFIX)
        remote = decoded(self._store.get(keys[-1]), keys[-1]) if keys else NONE_YET
        if not keys or local == remote:
            return local
        if not remote.members.keys() >= local.members.keys():
            message = (
                f"{self._file} has specimens that are not in {keys[-1]} of the object storage, so it is from another "
                "deployment: collect into another folder"
            )
            raise Rejected("evaluation_sets_differ", message)
        return remote

    def keep(self, chosen: EvaluationSet) -> None:
        """Store a set in both places; raises Rejected `evaluation_overtaken` if another set has its generation."""
        data = chosen.encoded()
        if self._store is not None:
            key = f"{PREFIX}{chosen.generation:06d}.parquet"
            if not self._store.put_new(key, data) and decoded(self._store.get(key), key) != chosen:
                message = f"another run has written evaluation set {chosen.generation} meanwhile: run the command again"
                raise Rejected("evaluation_overtaken", message)
        replace(self._file, data)
