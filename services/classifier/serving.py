"""The model versions that make the calls, and the tensors they read.

The versions are those of `models.active`. If Triton has lost them, the versions that served before take over.
"""

import hashlib
import io
import time
from dataclasses import dataclass
from typing import Any, Final, Protocol

import numpy as np
import structlog

from services.classifier.decide import SetRule
from services.classifier.metrics import FALLEN_BACK, IGNORED, RELOADS, show_models
from services.common.errors import Fatal, PipelineError, Rejected, Retriable
from services.common.events import ModelActivation
from services.common.events.model import EarlierSet
from services.common.preprocessing import TENSOR_SIDE
from services.common.store import ServiceStore
from services.registry.set_cards import read_set_card
from services.registry.triton_client import OPTIONAL_OUTPUTS, ServedModel, Tensors, load, require_live, restart

log = structlog.get_logger()
AGAIN_SECONDS: Final = 15.0
"""Interval at which the newest set is tried again while an earlier set serves or no set works."""
UNSOUND_SECONDS: Final = 300.0
"""For this long, a set that fails on real specimens although its probe succeeds is tried last."""
FAILURES: Final = 3
"""Batches in a row without an answer, each after a successful probe, until a set counts as unsound."""


def read_tensor(data: bytes, key: str, sha256: str) -> Tensors:
    """Read the bytes of a `.npy` file as a tensor, uint8 [side, side, 3].

    Raises Rejected `tensor_digest_mismatch`, `tensor_unreadable` or `tensor_shape_wrong`.
    """
    found = hashlib.sha256(data).hexdigest()
    if found != sha256:
        raise Rejected(
            "tensor_digest_mismatch", f"the SHA-256 of {key} is {found}, the announced one is {sha256}", found=found
        )
    try:
        tensor = np.load(io.BytesIO(data), allow_pickle=False)
    except ValueError as error:
        raise Rejected("tensor_unreadable", f"{key} is not a .npy file: {error}") from error
    if tensor.dtype != np.uint8 or tensor.shape != (TENSOR_SIDE, TENSOR_SIDE, 3):
        raise Rejected(
            "tensor_shape_wrong",
            f"{key} is {tensor.dtype} {list(tensor.shape)}, expected uint8 [{TENSOR_SIDE}, {TENSOR_SIDE}, 3]",
        )
    return np.asarray(tensor, dtype=np.uint8)


class ActivationSource(Protocol):
    """Where activations come from; `services.registry.active_models.ActiveModels` implements it.

    `shadow` is the newest record of a candidate in shadow and `ignored` the number of records that are not sound, as of
    the last `refresh`.
    """

    ignored: int

    @property
    def shadow(self) -> ModelActivation | None: ...  # noqa: D102
    def refresh(self) -> ModelActivation: ...  # noqa: D102
    def close(self) -> None: ...  # noqa: D102


def set_rule(store: ServiceStore, backbones: tuple[ServedModel, ...], set_card: str | None) -> SetRule:
    """Return how these versions decide together.

    Raises as `read_set_card` does, and Fatal when a version lacks an output that a set card needs.
    """
    cards = tuple(backbone.card for backbone in backbones)
    if set_card is None:
        return SetRule(cards)
    for backbone in backbones:
        if missing := sorted(OPTIONAL_OUTPUTS.keys() - backbone.outputs.keys()):
            msg = f"{backbone.model} version {backbone.version} has a set card, but lacks the outputs {missing}"
            raise Fatal(msg)
    return SetRule(cards, read_set_card(store, set_card, {one.model: one.version for one in backbones}))


@dataclass(frozen=True)
class ServingSet:
    """One set of checked versions.

    `activation` is the set's own number, `newest` that of the newest record on `models.active`. They differ while an
    earlier set serves in its place. `degraded` is true in that case, and when the set makes the calls although it
    failed recently, because no other set works.
    """

    activation: int
    newest: int
    backbones: tuple[ServedModel, ...]
    degraded: bool
    rule: SetRule
    set_card_sha256: str | None = None

    @property
    def cards(self) -> dict[str, str]:
        """SHA-256 of the card of each version, by model."""
        return {backbone.model: backbone.pin for backbone in self.backbones}


class ActiveModelSet:
    """Follows `models.active` without a restart. A set must answer a real inference before it gets a tensor."""

    def __init__(self, active: ActivationSource, client: Any, store: ServiceStore) -> None:
        """Read activations from `active` and set cards from `store`.

        `client` is a Triton gRPC client (`services.registry.triton_client`).
        """
        self._active, self._client, self._store = active, client, store
        self._serving: ServingSet | None = None
        self._uncertain = False
        self._failures = 0
        self._again_at = 0.0
        self._unsound_until: dict[int, float] = {}

    def current(self) -> ServingSet:
        """Return the set that makes the calls now.

        Raises Retriable while Triton or Kafka is away or no version works, Fatal when no version fits this program.
        """
        newest = self._active.refresh()
        IGNORED.set(self._active.ignored)
        serving = self._serving
        if serving is None or self._uncertain or serving.newest != newest.activation or self._is_due(serving):
            serving = self._choose(newest)
            self._serving, self._uncertain = serving, False
        return serving

    @property
    def shadow(self) -> ModelActivation | None:
        """The newest record of a candidate in shadow, as of the last `current`."""
        return self._active.shadow

    def answered(self) -> None:
        """Record that the set answered for real specimens."""
        self._failures = 0
        if self._serving is not None:
            self._unsound_until.pop(self._serving.activation, None)

    def failed(self, error: Retriable) -> None:
        """Record that the set did not answer for real specimens; the next `current` checks it again.

        A set whose output is invalid, or that fails repeatedly, is tried after the sets that served before it.
        """
        self._uncertain = True
        self._failures += 1
        if self._serving is None:
            return
        known_unsound = self._serving.activation in self._unsound_until
        if error.kind == "no_probabilities" or known_unsound or self._failures >= FAILURES:
            self._unsound_until[self._serving.activation] = time.monotonic() + UNSOUND_SECONDS

    def close(self) -> None:
        """Disconnect."""
        self._active.close()
        self._client.close()

    def _is_due(self, serving: ServingSet) -> bool:
        return serving.degraded and time.monotonic() >= self._again_at

    def _choose(self, newest: ModelActivation) -> ServingSet:
        failures: list[PipelineError] = []
        for choice in sorted((newest.as_earlier(), *newest.earlier), key=self._is_unsound):
            try:
                backbones = tuple(self._checked(choice, model) for model in sorted(choice.versions))
                rule = set_rule(self._store, backbones, choice.set_card)
            except (Fatal, Rejected, Retriable) as error:
                if isinstance(error, Retriable) and error.server != "triton":
                    raise  # the store is away: this proves nothing about the versions
                require_live(self._client, error)
                log.error("versions do not serve", activation=choice.activation, why=str(error))
                failures.append(error)
                continue
            if self._serving is None or self._serving.activation != choice.activation:
                self._failures = 0
            degraded = choice.activation != newest.activation or self._is_unsound(choice)
            serving = ServingSet(choice.activation, newest.activation, backbones, degraded, rule, choice.set_card)
            self._show(serving)
            return serving
        FALLEN_BACK.set(1)
        if all(isinstance(error, Fatal) for error in failures):
            raise failures[0]
        msg = f"no version of activation {newest.activation} or of an earlier one serves: {failures[0]}"
        raise Retriable(msg, server="triton", kind="no_version")

    def _show(self, serving: ServingSet) -> None:
        FALLEN_BACK.set(serving.degraded)
        self._again_at = time.monotonic() + AGAIN_SECONDS
        show_models(serving.activation, serving.backbones)
        versions = {backbone.model: backbone.version for backbone in serving.backbones}
        log.info("models selected", activation=serving.activation, versions=versions, fallen_back=serving.degraded)

    def _is_unsound(self, choice: EarlierSet) -> bool:
        return time.monotonic() < self._unsound_until.get(choice.activation, 0.0)

    def _checked(self, choice: EarlierSet, model: str) -> ServedModel:
        """Return a version that answers; otherwise load it again, and as a last resort unload it first."""
        version, pin = choice.versions[model], choice.cards.get(model)
        if pin is None:
            msg = f"activation {choice.activation} pins no card of {model} version {version}; run `xray init`"
            raise Fatal(msg)
        try:
            return self._probed(model, version, pin)
        except Retriable as error:
            require_live(self._client, error)
        for repair in (load, restart):
            RELOADS.labels(model, str(version)).inc()
            log.warning("model lost, loading it", model=model, version=version, by=repair.__name__)
            try:
                repair(self._client, model)
                return self._probed(model, version, pin)
            except (Rejected, Retriable) as error:
                require_live(self._client, error)
                failure = error
                if isinstance(error, Rejected) or error.kind in {"NOT_FOUND", "no_probabilities"}:
                    break
        raise failure

    def _probed(self, model: str, version: int, pin: str) -> ServedModel:
        backbone = ServedModel(self._client, model, version, pin)
        backbone.probe()
        return backbone
