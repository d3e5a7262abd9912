"""The versions that make the calls: those of `models.active`, or, if Triton has lost them, those that served before.

A stored tensor, checked against what was announced.
"""

from __future__ import annotations

import hashlib
import io
import time
from dataclasses import dataclass
from typing import Final

import numpy as np
import structlog

from services.classifier.metrics import FALLEN_BACK, RELOADS, show_models
from services.common.errors import Fatal, PipelineError, Rejected, Retriable
from services.common.events import ModelActivation
from services.common.events.model import EarlierSet
from services.common.preprocessing import TENSOR_SIDE
from services.common.settings import Settings
from services.registry.active_models import ActiveModels
from services.registry.control import load, require_live, restart
from services.registry.triton_client import Backbone, Tensors, connect


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


log = structlog.get_logger()
AGAIN_SECONDS: Final = 15.0
"""While earlier versions stand in, or none is sound, so often is the newest set tried again."""
UNSOUND_SECONDS: Final = 300.0
"""So long a set comes last that fails on real specimens though a probe finds it sound."""
FAILURES: Final = 3
"""Batches in a row without an answer, each after a probe that was answered, until a set counts as unsound."""


@dataclass(frozen=True)
class ModelSetChange:
    """One set of versions, checked; `newest` is the activation on `models.active` that it serves or stands in for.

    `troubled` while it stands in, or makes the calls although it failed a moment ago, since no other serves.
    """

    activation: int
    newest: int
    backbones: tuple[Backbone, ...]
    troubled: bool


class ActiveModelSet:
    """Follows `models.active` without a restart. A set is checked by a real inference before it gets a tensor."""

    def __init__(self, settings: Settings) -> None:
        """Prepare; connects at the first use."""
        self._active = ActiveModels(settings)
        self._client = connect(settings.triton_grpc)
        self._taken: ModelSetChange | None = None
        self._doubtful = False
        self._failures = 0
        self._again_at = 0.0
        self._unsound_until: dict[int, float] = {}

    def take(self) -> ModelSetChange:
        """Return the set that makes the calls now.

        Raises Retriable while Triton or Kafka is away or no version serves, Fatal when none ever fits this program.
        """
        newest = self._active.refresh()
        taken = self._taken
        if taken is None or self._doubtful or taken.newest != newest.activation or self._is_due(taken):
            taken = self._take_up(newest)
            self._taken, self._doubtful = taken, False
        return taken

    @property
    def shadow(self) -> ModelActivation | None:
        """The newest record of a candidate in shadow, as of the last `take`."""
        return self._active.shadow

    def trust(self) -> None:
        """Take note that the set answered real specimens."""
        self._failures = 0
        if self._taken is not None:
            self._unsound_until.pop(self._taken.activation, None)

    def doubt(self, error: Retriable) -> None:
        """Have the set checked anew at the next `take`, since it failed to answer real specimens.

        One that says no probabilities, or fails time and again, comes behind those that served before.
        """
        self._doubtful = True
        self._failures += 1
        if self._taken is None:
            return
        once_more = self._taken.activation in self._unsound_until
        if error.kind == "no_probabilities" or once_more or self._failures >= FAILURES:
            self._unsound_until[self._taken.activation] = time.monotonic() + UNSOUND_SECONDS

    def close(self) -> None:
        """Disconnect."""
        self._active.close()
        self._client.close()

    def _is_due(self, taken: ModelSetChange) -> bool:
        return taken.troubled and time.monotonic() >= self._again_at

    def _take_up(self, newest: ModelActivation) -> ModelSetChange:
        failures: list[PipelineError] = []
        for choice in sorted((newest.as_earlier(), *newest.earlier), key=self._is_unsound):
            try:
                backbones = tuple(self._sound(choice, model) for model in sorted(choice.versions))
            except (Fatal, Rejected, Retriable) as error:
                require_live(self._client, error)
                log.error("versions do not serve", activation=choice.activation, why=str(error))
                failures.append(error)
                continue
            if self._taken is None or self._taken.activation != choice.activation:
                self._failures = 0
            troubled = choice.activation != newest.activation or self._is_unsound(choice)
            taken = ModelSetChange(choice.activation, newest.activation, backbones, troubled)
            self._show(taken)
            return taken
        FALLEN_BACK.set(1)
        if all(isinstance(error, Fatal) for error in failures):
            raise failures[0]
        msg = f"no version of activation {newest.activation} or before serves: {failures[0]}"
        raise Retriable(msg, server="triton", kind="no_version")

    def _show(self, taken: ModelSetChange) -> None:
        FALLEN_BACK.set(taken.troubled)
        self._again_at = time.monotonic() + AGAIN_SECONDS
        show_models(taken.activation, taken.backbones)
        versions = {backbone.model: backbone.version for backbone in taken.backbones}
        log.info("models taken up", activation=taken.activation, versions=versions, fallen_back=taken.troubled)

    def _is_unsound(self, choice: EarlierSet) -> bool:
        return time.monotonic() < self._unsound_until.get(choice.activation, 0.0)

    def _sound(self, choice: EarlierSet, model: str) -> Backbone:
        """Return a version that answers; one that does not is loaded again, at last with a new process."""
        version, pin = choice.versions[model], choice.cards.get(model)
        if pin is None:
            msg = f"activation {choice.activation} pins no card of {model} version {version}; run `xray init`"
            raise Fatal(msg)
        try:
            return self._answering(model, version, pin)
        except Retriable as error:
            require_live(self._client, error)
        for mend in (load, restart):
            RELOADS.labels(model, str(version)).inc()
            log.warning("model lost, loading it", model=model, version=version, by=mend.__name__)
            try:
                mend(self._client, model)
                return self._answering(model, version, pin)
            except (Rejected, Retriable) as error:
                require_live(self._client, error)
                failure = error
                if isinstance(error, Rejected) or error.kind in {"NOT_FOUND", "no_probabilities"}:
                    break
        raise failure

    def _answering(self, model: str, version: int, pin: str) -> Backbone:
        backbone = Backbone(self._client, model, version, pin)
        backbone.probe()
        return backbone
