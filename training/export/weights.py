"""A version's weights for further training: `weights.safetensors`, next to the graph that serves.

The graph cannot be trained further, because its batch normalisations are folded. Half precision halves the file, and
training recovers from it in its first steps. The format contains numbers and no program
(https://huggingface.co/docs/safetensors).
"""

import hashlib
from pathlib import Path
from typing import Final

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import load, save
from torch import Tensor, nn

from services.common.errors import Rejected
from training.models.registry import build_backbone

FILE: Final = "weights.safetensors"
_SIZE: Final = "size"


def weights_file(backbone: nn.Module, size: str) -> bytes:
    """Return the content of the file; `size` is that of the backbone, such as `small`."""
    state = {name: _stored(value) for name, value in backbone.state_dict().items()}
    return save(state, metadata={_SIZE: size})


def read_size(version: Path) -> str:
    """Return the size of the backbone in a version's folder; raises Rejected `no_weights`, `weights_damaged`."""
    path = _path(version)
    try:
        with safe_open(path, framework="pt") as file:
            return str((file.metadata() or {})[_SIZE])
    except (SafetensorError, KeyError) as error:
        raise Rejected("weights_damaged", f"{path} cannot be read, or gives no size: {error}") from error


def read_backbone(version: Path, name: str, size: str, sha256: str = "") -> nn.Module:
    """Return a backbone with the weights in a version's folder.

    `sha256` is their digest on the version's card; older cards have none, and the check is skipped. Raises Rejected
    `no_weights` if the folder has none, `weights_damaged` if they cannot be read or do not match the digest,
    `weights_differ` if they belong to another architecture; and Fatal for an unknown name or size.
    """
    path = _path(version)
    data = path.read_bytes()
    found = hashlib.sha256(data).hexdigest()
    if sha256 and found != sha256:
        raise Rejected("weights_damaged", f"{path} has SHA-256 {found}, its card has {sha256}", found=found)
    try:
        state = load(data)
    except SafetensorError as error:
        raise Rejected("weights_damaged", f"{path} cannot be read: {error}") from error
    backbone = build_backbone(name, size)
    try:
        backbone.load_state_dict(state)  # converts to the precision of the parameters
    except RuntimeError as error:
        message = f"{path} does not fit {name} of size {size} as the code builds it now: train it again"
        raise Rejected("weights_differ", message) from error
    return backbone


def _path(version: Path) -> Path:
    path = version / FILE
    if not path.exists():
        raise Rejected("no_weights", f"{version} has no {FILE}: it can serve, but cannot be trained further")
    return path


def _stored(value: Tensor) -> Tensor:
    value = value.detach().cpu().contiguous()
    if not value.is_floating_point():
        return value
    limit = torch.finfo(torch.float16).max
    return value.clamp(-limit, limit).to(torch.float16)
