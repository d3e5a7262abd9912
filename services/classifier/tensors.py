"""A stored tensor, checked against what was announced."""

from __future__ import annotations

import hashlib
import io

import numpy as np

from services.common.errors import Rejected
from services.common.preprocessing import TENSOR_SIDE
from services.registry.triton_client import Tensors


def read_tensor(data: bytes, key: str, sha256: str) -> Tensors:
    """Return a tensor, uint8 [side, side, 3], of the bytes of a `.npy` file.

    Raises Rejected `tensor_digest_mismatch`, `tensor_unreadable` or `tensor_shape_wrong`.
    """
    found = hashlib.sha256(data).hexdigest()
    if found != sha256:
        raise Rejected("tensor_digest_mismatch", f"{key} is not what was announced", found=found)
    try:
        tensor = np.load(io.BytesIO(data), allow_pickle=False)
    except ValueError as error:
        raise Rejected("tensor_unreadable", f"{key}: {error}") from error
    if tensor.dtype != np.uint8 or tensor.shape != (TENSOR_SIDE, TENSOR_SIDE, 3):
        raise Rejected("tensor_shape_wrong", f"{key} is {tensor.dtype} {list(tensor.shape)}")
    return np.asarray(tensor, dtype=np.uint8)
