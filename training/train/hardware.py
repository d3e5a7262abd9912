"""The hardware of a training run, and the settings of torch and of the C library's memory allocator."""

import ctypes
from dataclasses import dataclass
from typing import Any, Final

import torch

from training.models.spec import Precision
from training.train.configuration import Accelerator

_TRIM_THRESHOLD, _MMAP_MAX = -1, -4
"""Parameters of mallopt(3)."""
_NEVER_TRIM: Final = -1


def disable_malloc_trim() -> bool:
    """Keep freed memory in the process; returns False where the C library is not glibc.

    Torch allocates every activation again in each step. By default glibc takes such blocks from the kernel and returns
    them immediately, and the kernel clears every page again: a third of the training time on a CPU.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    return mallopt is not None and bool(mallopt(_MMAP_MAX, 0) and mallopt(_TRIM_THRESHOLD, _NEVER_TRIM))


def prepare_process(threads: int) -> None:
    """Set the number of torch's threads and the memory allocator of a process that trains."""
    torch.set_num_threads(threads)
    disable_malloc_trim()


_DEFAULT_PRECISION: Final[dict[str, Precision]] = {"cpu": "32-true", "gpu": "bf16-mixed"}
"""Measured on a CPU with AVX512-BF16: the front end's depthwise convolutions are slower in bfloat16 (34.7 against
52.5 views per second), a ConvNeXt is equal."""


@dataclass(frozen=True)
class Hardware:
    """An accelerator, the number of its devices, and the number of processes that read batches ahead.

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
        """Return the Trainer's options; without a precision, 32 bits on a CPU and mixed bfloat16 on a GPU."""
        several = self.devices > 1
        return {
            "accelerator": self.kind(),
            "devices": self.devices,
            # Spawned, not started again: only the training itself may run more than once.
            "strategy": "ddp_spawn" if several else "auto",
            "sync_batchnorm": several and self.kind() == "gpu",
            "precision": precision or _DEFAULT_PRECISION[self.kind()],
        }
