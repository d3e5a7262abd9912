"""Lightning's chatter, silenced by name; its errors and every other warning come through."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

_ADVICE: Final = (
    # Two cores are what there is: a worker process would take one from the training itself.
    r"The '\w+' does not have many workers",
    # A front end's frozen blocks stay in eval mode on purpose.
    r"Found \d+ module\(s\) in eval mode at the start of training",
    # A resumed run writes where it wrote before.
    r"Checkpoint directory .* exists and is not empty",
    # Lightning's own code uses what torch is about to drop.
    r"`isinstance\(treespec, LeafSpec\)` is deprecated",
)
_LOGGERS: Final = ("pytorch_lightning", "lightning_fabric")


@contextmanager
def quiet_lightning() -> Iterator[None]:
    """Leave out Lightning's advice and its notes on the machine while training."""
    loggers = [logging.getLogger(name) for name in _LOGGERS]
    levels = [logger.level for logger in loggers]
    with warnings.catch_warnings():
        for message in _ADVICE:
            warnings.filterwarnings("ignore", message=message)
        for logger in loggers:
            logger.setLevel(logging.WARNING)
        try:
            yield
        finally:
            for logger, level in zip(loggers, levels, strict=True):
                logger.setLevel(level)
