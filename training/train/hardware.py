"""What a training runs on.

The C allocator's manners while training on the CPU.
"""

from __future__ import annotations

import ctypes
from dataclasses import dataclass
from typing import Any, Final, Literal

import torch

from training.train.plan import Precision

_TRIM_THRESHOLD, _MMAP_MAX = -1, -4
"""Parameters of mallopt(3)."""
_NEVER_TRIM: Final = -1


def keep_freed_memory() -> bool:
    """Let freed memory stay with the process; False where the C library is not glibc.

    Torch asks for every activation anew. By default glibc takes each of these from the kernel and gives it back at
    once, and the kernel clears every page again: a third of the training time on a CPU.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    return mallopt is not None and bool(mallopt(_MMAP_MAX, 0) and mallopt(_TRIM_THRESHOLD, _NEVER_TRIM))


Accelerator = Literal["auto", "cpu", "gpu"]

_DEFAULT_PRECISION: Final[dict[str, Precision]] = {"cpu": "32-true", "gpu": "bf16-mixed"}
"""Measured on a CPU with AVX512-BF16: the front end's depthwise convolutions are slower in bfloat16 (34.7 against
52.5 views a second), a ConvNeXt is equal."""


@dataclass(frozen=True)
class Hardware:
    """An accelerator (`auto`: a GPU if there is one), how many of it, and processes that read batches ahead.

    Several devices split every batch and average their gradients (Lightning's distributed data parallel).
    """

    accelerator: Accelerator = "auto"
    devices: int = 1
    workers: int = 0

    def kind(self) -> str:
        """Return `cpu` or `gpu`."""
        if self.accelerator != "auto":
            return self.accelerator
        return "gpu" if torch.cuda.is_available() else "cpu"

    def trainer_options(self, precision: Precision | None) -> dict[str, Any]:
        """Return the Trainer's options; without a precision, 32-bit on a CPU and mixed bfloat16 on a GPU."""
        several = self.devices > 1
        return {
            "accelerator": self.kind(),
            "devices": self.devices,
            # Spawned, not started again: only the training itself is to run more than once.
            "strategy": "ddp_spawn" if several else "auto",
            "sync_batchnorm": several and self.kind() == "gpu",
            "precision": precision or _DEFAULT_PRECISION[self.kind()],
        }
