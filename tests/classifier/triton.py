"""Triton and `models.active` in memory, with the surface of the real clients that the classifier uses."""

import json
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from tritonclient.utils import InferenceServerException

from services.common.events import ModelActivation, Probabilities
from services.common.events.base import now
from services.common.model_card import card_pin
from services.registry.triton_client import REQUEST_TENSORS, Tensors
from tests.classifier.test_decide import card, output

MODELS = ("cae", "convnext")
QUIET = output(0.1)

Version = tuple[str, int]
Rows = Mapping[str, Any]
Answers = Callable[[Tensors], Rows]


def always(probabilities: Probabilities) -> Answers:
    """Answer every specimen with these probabilities."""
    return lambda batch: {
        "level1": [[probabilities.level1]] * len(batch),
        "level2": [probabilities.level2] * len(batch),
        "level3": [probabilities.level3] * len(batch),
    }


def brightness(batch: Tensors) -> Rows:
    """Answer with level 1 as the mean grey level over 255, so that every specimen has its own answer."""
    means = batch.reshape(len(batch), -1).mean(axis=1) / 255
    return {"level1": means[:, None], "level2": [QUIET.level2] * len(batch), "level3": [QUIET.level3] * len(batch)}


def card_text(model: str, version: int) -> str:
    return json.dumps(card().model_copy(update={"model": model, "version": version}).model_dump(mode="json"))


class InferenceAnswer:
    """`InferResult` of the gRPC client: an output that Triton did not send is None."""

    def __init__(self, rows: Rows) -> None:
        self._rows = rows

    def as_numpy(self, name: str) -> Any:
        return np.array(self._rows[name], np.float32) if name in self._rows else None


class TritonDouble:
    """A Triton server with model control.

    `files` are the versions in the model repository, `loaded` those that serve. A model whose process is `hung` is
    loaded and answers no inference until it is unloaded and loaded again. `live` is False while the server is away.
    """

    def __init__(self, *versions: Version) -> None:
        self.files = set(versions or ((model, 1) for model in MODELS))
        self.loaded = set(self.files)
        self.hung: set[str] = set()
        self.live = True
        self.answers: dict[Version, Answers] = {}
        self.asked: list[tuple[str, int, int]] = []
        self.control: list[str] = []
        self.closed = False
        self.side = 224
        self.outputs = {"level1": 1, "level2": 3, "level3": 10}
        self.card_fields: dict[str, Any] = {}
        self.parameters: dict[str, Any] | None = None

    def measure(self, features: int) -> None:
        """Let every version have the optional outputs."""
        more = {"scores": 14, "features": features, "unfamiliar": 1}
        self.outputs |= more
        self.card_fields |= {"outputs": more}

    def pin(self, model: str, version: int) -> str:
        """Return the pin of a version's card as it is now."""
        return card_pin(self._card(model, version))

    def _card(self, model: str, version: int) -> str:
        text = card_text(model, version)
        return json.dumps(json.loads(text) | self.card_fields) if self.card_fields else text

    def is_server_live(self, *, client_timeout: float) -> bool:
        self._require_live()
        return True

    def get_model_metadata(self, model: str, version: str, *, as_json: bool, client_timeout: float) -> dict[str, Any]:
        self._require_loaded(model, version)
        side = str(self.side)
        return {
            "inputs": [{"name": "image", "datatype": "UINT8", "shape": ["-1", side, side, "3"]}],
            "outputs": [
                {"name": name, "datatype": "FP32", "shape": ["-1", str(width)]} for name, width in self.outputs.items()
            ],
        }

    def get_model_config(self, model: str, version: str, *, as_json: bool, client_timeout: float) -> dict[str, Any]:
        self._require_loaded(model, version)
        if self.parameters is not None:
            return {"config": {"parameters": self.parameters}}
        return {"config": {"parameters": {f"card.{version}": {"string_value": self._card(model, int(version))}}}}

    def async_infer(
        self,
        model: str,
        inputs: list[Any],
        callback: Callable[[Any, Any], None],
        *,
        model_version: str,
        outputs: list[Any],
        client_timeout: float,
    ) -> None:
        """Answer at once; errors of the server reach the callback, as with the real client."""
        (image,) = inputs
        shape = tuple(image.shape())
        self.asked.append((model, int(model_version), shape[0]))
        try:
            self._require_loaded(model, model_version)
            if model in self.hung:
                raise InferenceServerException("model process died", status="StatusCode.INTERNAL")
            if (image.name(), image.datatype(), shape[1:]) != ("image", "UINT8", (224, 224, 3)):
                raise InferenceServerException(f"unexpected shape {shape}", status="StatusCode.INVALID_ARGUMENT")
            if shape[0] > REQUEST_TENSORS:
                raise InferenceServerException("batch too large", status="StatusCode.INVALID_ARGUMENT")
            batch = np.frombuffer(image._get_content(), np.uint8).reshape(shape)
            rows = self.answers.get((model, int(model_version)), always(QUIET))(batch)
        except InferenceServerException as error:
            callback(None, error)
        else:
            callback(InferenceAnswer({one.name(): rows[one.name()] for one in outputs if one.name() in rows}), None)

    def load_model(self, model: str, *, client_timeout: float) -> None:
        """Load every version whose files are in the repository."""
        self._require_live()
        self.control.append(f"load {model}")
        found = {one for one in self.files if one[0] == model}
        if not found:
            raise InferenceServerException(f"failed to load '{model}'", status="StatusCode.INTERNAL")
        self.loaded = {one for one in self.loaded if one[0] != model} | found

    def unload_model(self, model: str, *, client_timeout: float) -> None:
        self._require_live()
        self.control.append(f"unload {model}")
        self.loaded = {one for one in self.loaded if one[0] != model}
        self.hung.discard(model)

    def close(self) -> None:
        self.closed = True

    def _require_live(self) -> None:
        if not self.live:
            raise InferenceServerException("failed to connect", status="StatusCode.UNAVAILABLE")

    def _require_loaded(self, model: str, version: str) -> None:
        self._require_live()
        if (model, int(version)) not in self.loaded:
            raise InferenceServerException(
                f"Request for unknown model: '{model}' version {version} is not found", status="StatusCode.NOT_FOUND"
            )


def activation(
    number: int = 1, *earlier: ModelActivation, cards: Mapping[str, str] | None = None, **versions: int
) -> ModelActivation:
    """A record of `models.active`; version 1 of every model unless `versions` says otherwise."""
    chosen = dict.fromkeys(MODELS, 1) | versions
    pins = {model: card_pin(card_text(model, version)) for model, version in chosen.items()}
    return ModelActivation(
        activation=number,
        versions=chosen,
        cards=pins if cards is None else dict(cards),
        earlier=tuple(one.as_earlier() for one in earlier),
        why="a test",
        produced_at=now(),
    )


class Activations:
    """`services.registry.active_models.ActiveModels` without Kafka: the newest records by assignment."""

    def __init__(self, newest: ModelActivation) -> None:
        self.newest = newest
        self.shadow: ModelActivation | None = None
        self.closed = False
        self.ignored = 0

    def refresh(self) -> ModelActivation:
        return self.newest

    def close(self) -> None:
        self.closed = True
