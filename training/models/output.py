"""What every backbone returns."""

from __future__ import annotations

from typing import NamedTuple

from torch import Tensor


class Output(NamedTuple):
    """Logits [n, 14] in the order of `LABEL_ORDER` and, from an autoencoder, the image rebuilt [n, 3, 224, 224].

    The logits of levels 2 and 3 are conditional on the specimen being abnormal: those levels learn from abnormal
    specimens only.
    """

    logits: Tensor
    reconstruction: Tensor | None
