"""The oracle finds every kind of difference from an undisturbed pass."""

import copy
from collections.abc import Callable
from typing import Any, cast

import pytest

from services.chaos.oracle import LedgerRows, Oracle
from services.chaos.stream import Outgoing, RoundStream
from services.classifier.service import call_id
from services.common.events import TensorReady
from services.common.model_card import ModelCard
from services.common.topics import IMAGES
from services.registry.repository import ModelRepository
from tests.chaos.test_stream import submission
from tests.registry.variants import MODEL
from training.export.targets import REPOSITORY

RULES = ModelRepository(REPOSITORY)
SUBMISSION = submission("one")


def call(specimen: str, activation: int = 1, probability: float = 0.5) -> dict[str, Any]:
    content: dict[str, Any] = {"revision": 2, "tensor_key": "t", "tensor_sha256": "a", "set_card": None}
    event = TensorReady.model_construct(biological_sample_id=specimen, **content)
    card = ModelCard.model_validate_json(RULES.card_text(MODEL, 1) or "").model_dump_json()
    return content | {
        "biological_sample_id": specimen,
        "call_id": call_id(event, activation, [card]),
        "activation": activation,
        "vector": [0, 1],
        "consensus": {"level1": probability},
        "models": [{"model": MODEL, "version": 1}],
        "views": [{"view_key": f"views/{specimen}/p1/x"}],
    }


def rows(specimen: str, **of_call: Any) -> LedgerRows:
    views: tuple[dict[str, Any], ...] = tuple(
        {"biological_sample_id": specimen, "view": view, "flags": []} for view in ("DV", "LAT")
    )
    rejections = {("intake", IMAGES.name, 0, 4): "json_invalid"}
    return LedgerRows({specimen: call(specimen, **of_call)}, {specimen: views}, {specimen: 2}, rejections)


def stream(specimen: str) -> RoundStream:
    return RoundStream((), {specimen: SUBMISSION})


@pytest.fixture
def oracle() -> Oracle:
    known = Oracle(RULES)
    known.learn(stream("first"), rows("first"))
    known.expect([Outgoing(b"", b"", reason="json_invalid"), Outgoing(b"", b"")], [(0, 4), (0, 5)])
    return known


def test_the_same_rows_under_another_id_and_activation_do_not_differ(oracle: Oracle) -> None:
    assert oracle.differences(stream("again"), rows("again", activation=2), [1, 2]) == []
    assert oracle.differences(stream("again"), rows("again", probability=0.50004), [1]) == []
    assert oracle.missing(stream("again"), rows("again")) == []


def change(path: str, value: Any) -> Callable[[LedgerRows], None]:
    def apply(found: LedgerRows) -> None:
        cast("dict[str, Any]", found.calls["again"])[path] = value

    return apply


CHANGES: dict[str, Callable[[LedgerRows], Any]] = {
    "has another id than its content": change("call_id", "0" * 64),
    "has activation 7": change("activation", 7),
    "was made by": change("models", [{"model": MODEL, "version": 1}, {"model": "convnext", "version": 1}]),
    ".vector[1]: 1 became 0": change("vector", [0, 0]),
    ".consensus.level1": change("consensus", {"level1": 0.51}),
    "the views of again": lambda found: found.views["again"][0]["flags"].append("view_uncertain"),
    "has 3 images": lambda found: found.images.update(again=3),  # type: ignore[attr-defined]
    "expected no rejection": lambda found: found.rejections.update({("sink", "xray.views", 1, 1): "x"}),  # type: ignore[attr-defined]
    "expected json_invalid": lambda found: found.rejections.update({("intake", IMAGES.name, 0, 4): "x"}),  # type: ignore[attr-defined]
}


@pytest.mark.parametrize("text", CHANGES)
def test_every_change_is_a_difference(oracle: Oracle, text: str) -> None:
    found = copy.deepcopy(rows("again"))
    CHANGES[text](found)
    assert any(text in one for one in oracle.differences(stream("again"), found, [1]))


def test_what_has_no_outcome_is_missing(oracle: Oracle) -> None:
    oracle.expect([Outgoing(b"", b"", reason="source_unavailable", late=True)], [(1, 1)])
    nothing = LedgerRows({}, {}, {}, {})
    assert len(oracle.missing(stream("again"), nothing)) == 2
    assert len(oracle.missing(stream("again"), nothing, late=True)) == 3
    assert oracle.missing(stream("again"), rows("again")) == []
