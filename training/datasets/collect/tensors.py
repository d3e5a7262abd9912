"""Tensors from object storage, each fetched once into a folder of files named by their digests."""

import hashlib
import io
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import Final

import numpy as np

from services.common.errors import Fatal, Rejected
from services.common.preprocessing import TENSOR_SIDE
from services.common.store import ObjectStore
from training.datasets.collect.specimens import SpecimenTensor
from training.datasets.store import Images

FOLDER: Final = "tensors"
SHAPE: Final = (TENSOR_SIDE, TENSOR_SIDE, 3)
PARALLEL: Final = 8
_LARGEST: Final = 4 * 1024 * 1024
"""Bytes; a tensor file has 150 kB."""


class Tensors:
    """Tensors below a folder; existing ones are not fetched again, even after kill -9."""

    def __init__(self, folder: Path, store: ObjectStore | None) -> None:
        """Use a folder and an object store; `store` is None without object storage."""
        self._folder = folder / FOLDER
        self._store = store

    def fetch(self, specimens: Iterable[SpecimenTensor], done: Callable[[], None]) -> dict[str, Rejected]:
        """Fetch every tensor; return the specimens whose tensor cannot be fetched, with the reason.

        Reasons: `object_missing`, `file_too_large`, `tensor_differs`, `tensor_shape`. Raises Retriable if
        the store is unreachable.
        """
        failed: dict[str, Rejected] = {}
        with ThreadPoolExecutor(PARALLEL, thread_name_prefix="fetch") as pool:
            try:
                for found, error in pool.map(self._fetched, specimens):
                    if error is not None:
                        failed[found.specimen] = error
                    done()
            except BaseException:
                pool.shutdown(cancel_futures=True)
                raise
        return failed

    def load(self, found: SpecimenTensor) -> Images:
        """Return the tensor uint8 [side, side, 3] of a specimen that was fetched."""
        if found.load is not None:
            return found.load()
        path = self._path(found)
        try:
            return _pixels(found, path.read_bytes())
        except Rejected as error:
            raise Rejected(error.reason, f"{path} is damaged: remove it, and it is fetched again") from None

    def _fetched(self, found: SpecimenTensor) -> tuple[SpecimenTensor, Rejected | None]:
        try:
            if found.load is not None:
                found.load()
            else:
                self._fetch(found)
        except Rejected as error:
            return found, error
        return found, None

    def _fetch(self, found: SpecimenTensor) -> None:
        path = self._path(found)
        if path.exists():
            return
        if self._store is None or found.tensor_key is None:
            msg = f"the tensor of {found.specimen} is in object storage, which this run does not use"
            raise Fatal(msg)
        data = self._store.get(found.tensor_key, limit=_LARGEST)
        _pixels(found, data)
        path.parent.mkdir(parents=True, exist_ok=True)
        # A unique name: two animals with the same files have the same tensor.
        with NamedTemporaryFile(dir=path.parent, prefix=".", delete=False) as part:
            part.write(data)
        Path(part.name).replace(path)

    def _path(self, found: SpecimenTensor) -> Path:
        return self._folder / found.tensor_sha256[:2] / f"{found.tensor_sha256}.npy"


def _pixels(found: SpecimenTensor, data: bytes) -> Images:
    if hashlib.sha256(data).hexdigest() != found.tensor_sha256:
        message = f"{found.tensor_key} is not the tensor that the call of {found.specimen} names"
        raise Rejected("tensor_differs", message)
    try:
        pixels: Images = np.load(io.BytesIO(data), allow_pickle=False)
    except (ValueError, EOFError) as error:
        raise Rejected("tensor_shape", f"{found.tensor_key} is not an array: {error}") from None
    if pixels.shape != SHAPE or pixels.dtype != np.uint8:
        message = f"{found.tensor_key} is {pixels.dtype} {list(pixels.shape)}, not uint8 {list(SHAPE)}"
        raise Rejected("tensor_shape", message)
    return pixels
