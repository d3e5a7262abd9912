"""The classifier's handler with a store, Triton and `models.active` in memory."""

import hashlib
import json
import math
from collections.abc import Iterator, Mapping
from contextlib import closing
from datetime import UTC, datetime
from typing import Any, cast

import numpy as np
import pytest
from tritonclient.utils import InferenceServerException

from services.classifier.metrics import ABSTAINED
from services.classifier.metrics import CALLS as COUNTED
from services.classifier.referencing import ActiveReferenceSet
from services.classifier.service import Classifier
from services.classifier.serving import FAILURES, ActiveModelSet
from services.classifier.shadow.shadowing import Shadowing
from services.common.errors import Fatal, Rejected, Retriable
from services.common.events import (
    AnimalFacts,
    CallAbstention,
    CallWithdrawal,
    PhenotypeCall,
    ReferenceActivation,
    TensorReady,
)
from services.common.events.model import SHADOW_SET
from services.common.loop import Done, Message, Outcome, Record
from services.common.topics import CALLS, TENSORS
from services.fuser.service import npy
from services.registry.triton_client import REQUEST_TENSORS, Tensors
from tests.classifier.test_contract import ready
from tests.classifier.test_decide import output
from tests.classifier.triton import (
    MODELS,
    QUIET,
    Activations,
    Answers,
    Rows,
    TritonDouble,
    activation,
    always,
    brightness,
)
from tests.common.memory_store import MemoryStore
from tests.ledger.examples import NOON, call_withdrawal

CLOCK = datetime(2026, 5, 1, tzinfo=UTC)
NEWEST, EARLIER = 2, 1


class References:
    """`references.active` in memory."""

    def __init__(self) -> None:
        self.newest: ReferenceActivation | None = None

    def refresh(self) -> ReferenceActivation | None:
        return self.newest

    def close(self) -> None: ...


class Bench:
    """A classifier and everything that it communicates with. Version 2 is active, version 1 served before."""

    def __init__(self) -> None:
        self.store = MemoryStore()
        self.triton = TritonDouble(*((model, version) for model in MODELS for version in (1, 2)))
        self.activations = Activations(activation(NEWEST, activation(EARLIER), cae=2, convnext=2))
        self.shadowing = Shadowing(self.store, lambda: self.triton, lambda: None)
        self.models = ActiveModelSet(self.activations, self.triton, self.store)
        self.records = References()
        references = ActiveReferenceSet(self.records, self.store)
        self.classifier = Classifier(self.store, self.models, references, self.shadowing, workers=2, now=lambda: CLOCK)

    def measure(self, features: int) -> None:
        """Let every version have the optional outputs, and pin the cards that say so."""
        self.triton.measure(features)
        self.pin()

    def pin(self) -> None:
        """Pin the cards that Triton has now."""
        newest = self.activations.newest
        earlier = tuple(one.model_copy(update={"cards": self._pins(one.versions)}) for one in newest.earlier)
        self.activations.newest = newest.model_copy(update={"cards": self._pins(newest.versions), "earlier": earlier})

    def _pins(self, versions: Mapping[str, int]) -> dict[str, str]:
        return {model: self.triton.pin(model, version) for model, version in versions.items()}

    def tensor(self, specimen: str, grey: int = 0, revision: int = 2, **change: Any) -> TensorReady:
        """Store a tensor of one grey level and return its announcement."""
        data = npy(np.full((224, 224, 3), grey, np.uint8))
        key = f"tensors/{specimen}-{revision}.npy"
        self.store.put(key, data)
        known = {"biological_sample_id": specimen, "tensor_key": key, "revision": revision}
        return ready(data, **(known | change))

    def handle(self, *events: TensorReady | CallWithdrawal) -> list[Outcome]:
        records = [
            Record[Any](TENSORS.name, 0, offset, NOON, event.key.encode(), event.encode(), (), event)
            for offset, event in enumerate(events)
        ]
        return self.classifier.handle(records)

    def call(self, event: TensorReady) -> PhenotypeCall:
        return called(self.handle(event)[0])


@pytest.fixture
def bench() -> Iterator[Bench]:
    bench = Bench()
    with closing(bench.classifier):
        yield bench


def called(outcome: Outcome) -> PhenotypeCall:
    assert isinstance(outcome, Done), outcome
    (message,) = outcome.messages
    assert message.topic is CALLS
    return cast(PhenotypeCall, message.event)


def abstained(outcome: Outcome) -> CallAbstention:
    assert isinstance(outcome, Done), outcome
    (message,) = outcome.messages
    assert message.topic is CALLS
    assert isinstance(message.event, CallAbstention)
    return message.event


def refused(outcome: Outcome) -> Rejected:
    assert isinstance(outcome, Rejected), outcome
    return outcome


def versions(call: PhenotypeCall) -> dict[str, int]:
    return {one.model: one.version for one in call.models}


def test_every_specimen_gets_its_own_output_of_both_models(bench: Bench) -> None:
    bench.triton.answers = {(model, 2): brightness for model in MODELS}
    greys = {f"m{number}": 20 * number for number in range(REQUEST_TENSORS + 3)}
    events = [bench.tensor(name, grey) for name, grey in greys.items()]
    for event, outcome in zip(events, bench.handle(*events), strict=True):
        call = called(outcome)
        assert call.biological_sample_id == event.biological_sample_id
        expected = greys[event.biological_sample_id] / 255
        assert [one.probabilities.level1 for one in call.models] == pytest.approx([expected] * 2)
        assert call.abnormal == (expected >= 0.5)
        assert (call.tensor_key, call.tensor_sha256) == (event.tensor_key, event.tensor_sha256)
        assert (call.announced_at, call.produced_at) == (event.announced_at, CLOCK)
        assert (call.activation, versions(call)) == (NEWEST, {"cae": 2, "convnext": 2})
    requests = [one for one in bench.triton.asked if one[2] > 1]
    assert sorted(requests) == [("cae", 2, 3), ("cae", 2, 8), ("convnext", 2, 3), ("convnext", 2, 8)]


def test_the_loss_of_a_call_is_published_in_its_place(bench: Bench) -> None:
    older, lost = bench.tensor("m", 200, revision=2), call_withdrawal("m", revision=3)
    other = bench.tensor("n", 200)
    first, second, third = bench.handle(older, lost, other)
    assert first == Done(skipped="superseded")
    assert second == Done((Message(CALLS, lost),))
    assert called(third).biological_sample_id == "n"


def test_the_same_tensor_at_a_higher_revision_is_another_call(bench: Bench) -> None:
    before = bench.tensor("m", 200, revision=2)
    after = before.model_copy(update={"revision": 4})
    assert bench.call(before).call_id != bench.call(after).call_id


def test_a_view_s_flag_reaches_the_call_which_is_then_none(bench: Bench) -> None:
    plain = bench.tensor("m", 200)
    assert bench.call(plain).abnormal is False
    views = (plain.views[0].model_copy(update={"flags": ("view_uncertain", "mirrored_suspected")}), *plain.views[1:])
    flagged = plain.model_copy(update={"views": views, "revision": 3, "animal": AnimalFacts(sex="male")})
    event = abstained(bench.handle(flagged)[0])
    assert event.reasons == ("mirrored_suspected", "view_uncertain")
    assert event.consensus == bench.call(plain).consensus
    assert (event.views, event.animal, event.revision) == (views, flagged.animal, 3)
    assert (event.activation, event.produced_at) == (NEWEST, CLOCK)
    assert "vector" not in json.loads(event.encode())
    assert bench.handle(flagged) == bench.handle(flagged)


def test_unfamiliar_specimens_are_not_called_and_versions_without_that_output_still_call(bench: Bench) -> None:
    bench.measure(features=4)

    def measured(unfamiliar: float) -> Answers:
        more = {"scores": [0.123456789] * 14, "features": [1.0, -2.0, 0.5, 3.0], "unfamiliar": [unfamiliar]}
        return lambda batch: dict(always(output(0.9))(batch)) | {name: [row] * len(batch) for name, row in more.items()}

    bench.triton.answers = {("cae", 2): measured(0.5), ("convnext", 2): measured(0.99)}
    call = bench.call(bench.tensor("known", 9))
    assert (call.abnormal, call.unfamiliarity) == (True, 0.99)
    assert [(one.scores, one.features) for one in call.models] == [((0.12346,) * 14, (1.0, -2.0, 0.5, 3.0))] * 2
    bench.triton.answers = {("cae", 2): measured(0.5), ("convnext", 2): measured(0.9901)}
    counted = ABSTAINED.labels("JAX", "unfamiliar")._value.get()
    outcome = bench.handle(bench.tensor("foreign", 9))[0]
    event = abstained(outcome)
    assert (event.reasons, event.unfamiliarity, event.consensus.level1) == (("unfamiliar",), 0.9901, 0.9)
    bench.classifier.acknowledged([outcome])
    assert ABSTAINED.labels("JAX", "unfamiliar")._value.get() == counted + 1


@pytest.mark.parametrize(
    ("name", "row"),
    [("scores", [math.nan] * 14), ("features", [math.inf] * 4), ("unfamiliar", [1.5]), ("unfamiliar", [-0.1])],
)
def test_invalid_optional_output_calls_nothing(bench: Bench, name: str, row: list[float]) -> None:
    bench.measure(features=4)
    more = {"scores": [0.0] * 14, "features": [0.0] * 4, "unfamiliar": [0.0]}

    def broken(batch: Tensors) -> Rows:
        rows = more | ({name: row} if batch.any() else {})
        return dict(always(QUIET)(batch)) | {key: [one] * len(batch) for key, one in rows.items()}

    bench.triton.answers = {(model, 2): broken for model in MODELS}
    with pytest.raises(Retriable) as caught:
        bench.handle(bench.tensor("m", 128))
    assert caught.value.kind == "no_probabilities"


def test_a_repeated_batch_gives_the_same_calls(bench: Bench) -> None:
    event = bench.tensor("m", 200)
    assert bench.call(event) == bench.call(event)


def test_only_the_newest_revision_of_a_batch_is_called(bench: Bench) -> None:
    old, new, other = bench.tensor("m"), bench.tensor("m", revision=3), bench.tensor("n")
    outcomes = bench.handle(new, old, other)
    assert called(outcomes[0]).revision == 3
    assert outcomes[1] == Done(skipped="superseded")
    assert called(outcomes[2]).biological_sample_id == "n"


def test_a_bad_tensor_costs_only_itself(bench: Bench) -> None:
    gone, damaged, good = bench.tensor("gone"), bench.tensor("damaged"), bench.tensor("good")
    bench.store.delete(gone.tensor_key)
    bench.store.put(damaged.tensor_key, npy(np.ones((224, 224, 3), np.uint8)))
    small = npy(np.zeros((112, 112, 3), np.uint8))
    bench.store.put("tensors/small", small)
    smaller = ready(small, tensor_key="tensors/small", biological_sample_id="small")
    outcomes = bench.handle(gone, damaged, smaller, bench.tensor("old", preprocessing_version="p0"), good)
    assert [refused(outcome).reason for outcome in outcomes[:4]] == [
        "object_missing",
        "tensor_digest_mismatch",
        "tensor_shape_wrong",
        "preprocessing_version_unknown",
    ]
    message = refused(outcomes[1]).message
    assert damaged.tensor_sha256 in message
    assert hashlib.sha256(bench.store.objects[damaged.tensor_key]).hexdigest() in message
    assert "uint8 [112, 112, 3], expected uint8 [224, 224, 3]" in refused(outcomes[2]).message
    assert called(outcomes[4]).biological_sample_id == "good"


def test_what_triton_calls_invalid_is_rejected_with_its_request_only(bench: Bench) -> None:
    def picky(batch: Tensors) -> Rows:
        if batch.max() > 200:
            raise InferenceServerException("too bright", status="StatusCode.INVALID_ARGUMENT")
        return always(QUIET)(batch)

    bench.triton.answers = {("convnext", 2): picky}
    events = [bench.tensor(f"m{number}", 255 if number == 0 else 9) for number in range(REQUEST_TENSORS + 1)]
    outcomes = bench.handle(*events)
    assert {refused(outcome).reason for outcome in outcomes[:REQUEST_TENSORS]} == {"tensor_refused"}
    assert called(outcomes[REQUEST_TENSORS]).activation == NEWEST


def test_a_version_that_triton_lost_is_loaded_again(bench: Bench) -> None:
    event = bench.tensor("m")
    first = bench.call(event)
    bench.triton.loaded -= {("convnext", 1), ("convnext", 2)}
    with pytest.raises(Retriable) as caught:
        bench.handle(event)
    assert caught.value.kind == "NOT_FOUND"
    assert bench.call(event) == first
    assert bench.triton.control == ["load convnext"]


def test_a_lost_version_is_replaced_by_the_earlier_set(bench: Bench) -> None:
    event = bench.tensor("m")
    first = bench.call(event)
    bench.triton.files -= {("convnext", 2)}
    bench.triton.loaded -= {("convnext", 2)}
    with pytest.raises(Retriable):
        bench.handle(event)
    call = bench.call(event)
    assert (call.activation, versions(call)) == (EARLIER, {"cae": 1, "convnext": 1})
    assert call.call_id != first.call_id
    bench.triton.files |= {("convnext", 2)}
    assert bench.call(event).activation == EARLIER  # the newest set is retried only after a while
    bench.models._again_at = 0.0  # the wait has ended
    assert bench.call(event) == first


def test_a_hung_model_process_is_restarted(bench: Bench) -> None:
    event = bench.tensor("m")
    first = bench.call(event)
    bench.triton.hung.add("cae")
    with pytest.raises(Retriable):
        bench.handle(event)
    assert bench.call(event) == first
    assert bench.triton.control == ["load cae", "unload cae", "load cae"]


def without_level2(batch: Tensors) -> Rows:
    return {name: rows for name, rows in always(QUIET)(batch).items() if name != "level2"}


def of_another_shape(batch: Tensors) -> Rows:
    return dict(always(QUIET)(batch)) | {"level1": [QUIET.level1] * len(batch)}


@pytest.mark.parametrize(
    "invalid",
    [
        always(QUIET.model_copy(update={"level1": math.nan})),
        always(QUIET.model_copy(update={"level2": (0.1, math.inf, 0.1)})),
        always(QUIET.model_copy(update={"level1": 1.5})),
        always(QUIET.model_copy(update={"level3": (-0.1,) * 10})),
        without_level2,
        of_another_shape,
    ],
    ids=["not a number", "infinite", "above 1", "below 0", "an output is missing", "another shape"],
)
def test_invalid_output_on_real_specimens_calls_nothing_and_the_earlier_set_takes_over(
    bench: Bench, invalid: Any
) -> None:
    bench.triton.answers = {("cae", 2): lambda batch: invalid(batch) if batch.any() else always(QUIET)(batch)}
    event = bench.tensor("m", 128)
    with pytest.raises(Retriable) as caught:
        bench.handle(event)
    assert caught.value.kind == "no_probabilities"
    call = bench.call(event)
    assert (call.activation, versions(call)) == (EARLIER, {"cae": 1, "convnext": 1})


def test_without_an_earlier_set_invalid_output_is_retried_for_ever(bench: Bench) -> None:
    bench.activations.newest = activation(NEWEST, cae=2, convnext=2)
    bench.triton.answers = {("cae", 2): always(QUIET.model_copy(update={"level1": math.nan}))}
    for _ in range(FAILURES + 2):
        with pytest.raises(Retriable):
            bench.handle(bench.tensor("m", 128))
    bench.triton.answers = {}
    assert bench.call(bench.tensor("m", 128)).activation == NEWEST


def test_a_set_that_fails_repeatedly_on_specimens_is_replaced(bench: Bench) -> None:
    def failing(batch: Tensors) -> Rows:
        if batch.any():
            raise InferenceServerException("out of memory", status="StatusCode.INTERNAL")
        return always(QUIET)(batch)

    bench.triton.answers = {("cae", 2): failing}
    event = bench.tensor("m", 128)
    for _ in range(FAILURES):
        with pytest.raises(Retriable):
            bench.handle(event)
    assert bench.call(event).activation == EARLIER


def test_while_triton_is_away_no_model_is_touched(bench: Bench) -> None:
    event = bench.tensor("m")
    first = bench.call(event)
    bench.triton.live = False
    for _ in range(2):
        with pytest.raises(Retriable) as caught:
            bench.handle(event)
        assert caught.value.kind == "UNAVAILABLE"
    assert bench.triton.control == []
    bench.triton.live = True
    assert bench.call(event) == first


def test_a_promotion_takes_effect_with_the_next_batch(bench: Bench) -> None:
    event = bench.tensor("m")
    first = bench.call(event)
    bench.activations.newest = activation(3, bench.activations.newest, cae=1, convnext=2)
    call = bench.call(event)
    assert (call.activation, versions(call)) == (3, {"cae": 1, "convnext": 2})
    assert call.call_id != first.call_id


def test_a_card_other_than_the_promoted_one_stops_the_start(bench: Bench) -> None:
    bench.activations.newest = activation(NEWEST, cards=dict.fromkeys(MODELS, "0" * 64))
    with pytest.raises(Fatal, match="not what was promoted"):
        bench.classifier.start()
    bench.activations.newest = activation(NEWEST, cards={})
    with pytest.raises(Fatal, match="pins no card"):
        bench.classifier.start()


def test_a_missing_bucket_stops_the_start(bench: Bench) -> None:
    bench.store.exists_bucket = False
    with pytest.raises(Fatal, match="xray init"):
        bench.classifier.start()


def test_only_acknowledged_calls_are_counted_and_compared(bench: Bench) -> None:
    candidate = activation(3, cae=1, convnext=2).model_copy(update={"name": SHADOW_SET, "share": 1.0})
    bench.activations.shadow = candidate
    before = COUNTED._value.get()
    outcomes = [*bench.handle(bench.tensor("m"), bench.tensor("m", revision=3)), Rejected("blank", "nothing to see")]
    assert (COUNTED._value.get(), bench.shadowing._queue.qsize()) == (before, 0)
    bench.classifier.acknowledged(outcomes)
    assert (COUNTED._value.get(), bench.shadowing._queue.qsize()) == (before + 1, 1)


def test_closing_closes_the_clients() -> None:
    bench = Bench()
    bench.classifier.close()
    assert bench.triton.closed
    assert bench.activations.closed


def test_the_models_agree_on_an_abnormal_specimen(bench: Bench) -> None:
    expected = output(0.9, Spine=0.9, Shape=0.8)
    bench.triton.answers = {(model, 2): always(expected) for model in MODELS}
    call = bench.call(bench.tensor("m"))
    assert call.abnormal
    assert {label for label, bit in zip(call.labels, call.vector, strict=True) if bit} == {"Spine", "Shape"}
    assert call.models[0].probabilities.level1 == pytest.approx(expected.level1)
