"""A candidate in shadow: its requests, the calls that it would have made, and that nothing waits for it."""

from __future__ import annotations

import hashlib
import threading
import time
from typing import Any

import numpy as np
import pytest

from services.classifier import metrics
from services.classifier.decide import model_output
from services.classifier.shadow import shadowing
from services.classifier.shadow.candidate import DEADLINE_SECONDS, Candidate
from services.classifier.shadow.shadowing import QUEUE_CALLS, Shadowing
from services.common.errors import Fatal, Retriable
from services.common.events import ModelActivation, PhenotypeCall, ShadowCall, parse_event
from services.common.events.base import now
from services.common.events.model import SHADOW_SET
from services.common.labels import LABEL_ORDER
from services.common.model_card import card_pin
from services.common.topics import SHADOW
from services.fuser.service import npy
from services.registry.triton_client import Prediction, ServedModel
from tests.classifier.test_decide import output
from tests.classifier.triton import MODELS, QUIET, Answers, TritonDouble, always, card_text
from tests.common.memory_store import MemoryStore
from tests.ledger.examples import call

TENSOR = np.zeros((224, 224, 3), np.uint8)
ABNORMAL = output(0.9, Spine=0.9, Shape=0.9)


def versions(second: Answers | None = None) -> TritonDouble:
    """A Triton of two models whose version 1 answers QUIET and version 2 `second`, by default ABNORMAL."""
    client = TritonDouble(*((model, version) for model in MODELS for version in (1, 2)))
    client.answers = {(model, 2): second or always(ABNORMAL) for model in MODELS}
    return client


def record(share: float = 1.0, **versions: int) -> ModelActivation:
    chosen = {"cae": 1, "convnext": 1} | versions
    return ModelActivation(
        name=SHADOW_SET,
        activation=3,
        versions=chosen,
        cards={model: card_pin(card_text(model, version)) for model, version in chosen.items()},
        share=share,
        why="a test",
        produced_at=now(),
    )


def quiet_call(specimen: str = "1") -> PhenotypeCall:
    """A normal call by version 1 of both models."""
    client = versions()
    models = tuple(model_output(ServedModel(client, model, 1), Prediction(QUIET)) for model in ("cae", "convnext"))
    return call(specimen, vector=(0,) * 13, abnormal=False, models=models)


def test_only_the_versions_that_took_no_part_in_the_call_are_asked() -> None:
    client = versions()
    compared = Candidate(client, MemoryStore(), record(cae=2)).judge([quiet_call("1"), quiet_call("2")], [TENSOR] * 2)
    assert client.asked == [("cae", 2, 2)]
    assert [one.biological_sample_id for one in compared] == ["1", "2"]
    assert [(output.model, output.version) for output in compared[0].models] == [("cae", 2), ("convnext", 1)]
    assert compared[0].models[1].probabilities == QUIET


def test_what_differs_is_named_in_the_order_of_the_labels() -> None:
    (compared,) = Candidate(versions(), MemoryStore(), record(cae=2, convnext=2)).judge([quiet_call()], [TENSOR])
    assert compared.abnormal
    assert compared.differs == tuple(label for label in LABEL_ORDER if label in {"Abnormal", "Spine", "Shape"})
    called = (compared.abnormal, *compared.vector)
    flipped = [bool(one) != (label in compared.differs) for label, one in zip(LABEL_ORDER, called, strict=True)]
    assert flipped == [False] * 14


def test_the_same_call_and_candidate_give_one_id() -> None:
    client = versions()
    ids = [
        Candidate(client, MemoryStore(), chosen).judge([one], [TENSOR])[0].shadow_id
        for chosen, one in [
            (record(cae=2), quiet_call("1")),
            (record(cae=2, share=0.5), quiet_call("1")),
            (record(cae=2), quiet_call("2")),
            (record(convnext=2), quiet_call("1")),
        ]
    ]
    assert ids[0] == ids[1]
    assert len(set(ids)) == 3


def test_another_card_than_the_record_pins_is_not_asked() -> None:
    chosen = record(cae=2)
    with pytest.raises(Fatal, match="not what was promoted"):
        Candidate(versions(), MemoryStore(), chosen.model_copy(update={"cards": chosen.cards | {"cae": "0" * 64}}))
    with pytest.raises(Fatal, match="pins no card of cae version 2"):
        Candidate(versions(), MemoryStore(), chosen.model_copy(update={"cards": {}}))


def test_invalid_output_compares_nothing() -> None:
    client = versions(always(output(0.5).model_copy(update={"level1": float("nan")})))
    with pytest.raises(Retriable) as caught:
        Candidate(client, MemoryStore(), record(cae=2)).judge([quiet_call()], [TENSOR])
    assert caught.value.kind == "no_probabilities"


class Recorder:
    """A Kafka producer that acknowledges every record at once."""

    def __init__(self) -> None:
        self.sent: list[ShadowCall] = []

    def send(self, topic: str, *, key: bytes, value: bytes) -> Recorder:
        assert topic == SHADOW.name
        self.sent.append(parse_event(ShadowCall, value))
        assert key.decode() == self.sent[-1].biological_sample_id
        return self

    def get(self, *, timeout: float) -> None:
        """Do nothing: every record is already acknowledged."""
        assert timeout > 0

    def close(self) -> None:
        """Do nothing: there is no connection."""


def outcome(name: str) -> float:
    return float(metrics.SHADOW_SPECIMENS.labels(name)._value.get())


@pytest.fixture
def store() -> MemoryStore:
    return MemoryStore()


@pytest.fixture
def recorder() -> Recorder:
    return Recorder()


@pytest.fixture
def one(store: MemoryStore, recorder: Recorder) -> Shadowing:
    return Shadowing(store, versions, lambda: recorder)


def test_a_full_queue_drops_and_counts_at_once(one: Shadowing) -> None:
    one.follow(record(cae=2))
    before, started = outcome("dropped"), time.monotonic()
    for number in range(QUEUE_CALLS + 7):
        one.offer(quiet_call(f"m{number}"))
    assert outcome("dropped") - before == 7
    assert time.monotonic() - started < DEADLINE_SECONDS


@pytest.mark.parametrize("chosen", [None, record(share=0.0, cae=2), record()])
def test_nothing_is_kept_without_a_candidate_that_differs(one: Shadowing, chosen: ModelActivation | None) -> None:
    one.follow(chosen)
    one.offer(quiet_call())
    assert one._queue.empty()


def test_an_offered_call_is_compared_and_published(one: Shadowing, store: MemoryStore, recorder: Recorder) -> None:
    data = npy(TENSOR)
    store.put(quiet_call().tensor_key, data)
    before = outcome("compared")
    one.start()
    one.follow(record(cae=2))
    one.offer(quiet_call("1").model_copy(update={"tensor_sha256": hashlib.sha256(data).hexdigest()}))
    deadline = time.monotonic() + 30
    while outcome("compared") == before and time.monotonic() < deadline:
        time.sleep(0.01)
    one.close()
    (published,) = recorder.sent
    assert (published.biological_sample_id, published.shadow, published.versions["cae"]) == ("1", 3, 2)
    assert outcome("compared") == before + 1


def test_any_failure_is_counted_and_the_thread_continues(one: Shadowing, monkeypatch: pytest.MonkeyPatch) -> None:
    failed = threading.Event()
    answers: list[Any] = [ValueError("unforeseen"), None]

    def compare(_record: ModelActivation, calls: list[PhenotypeCall]) -> None:
        answer = answers.pop(0)
        if answer is not None:
            raise answer
        metrics.SHADOW_SPECIMENS.labels("compared").inc(len(calls))
        failed.set()

    monkeypatch.setattr(shadowing, "REST_SECONDS", 0.01)
    monkeypatch.setattr(one, "_compare", compare)
    before = metrics.SHADOW_ERRORS.labels("internal")._value.get()
    one.start()
    time.sleep(0.1)  # it already waits for a call when the candidate arrives
    one.follow(record(cae=2))
    one.offer(quiet_call("1"))
    while metrics.SHADOW_ERRORS.labels("internal")._value.get() == before:
        time.sleep(0.01)
    one.offer(quiet_call("2"))
    assert failed.wait(30)
    one.close()
    assert outcome("failed") >= 1
