"""A set card and references of controls in the classifier: a stranger's calls, their rank, and what a loss does."""

import itertools
from collections.abc import Iterator
from contextlib import closing
from typing import Any

import numpy as np
import pytest

from services.classifier.metrics import REFERENCE_FALLEN_BACK
from services.common.errors import Retriable
from services.common.events import PhenotypeCall, ReferenceActivation, TensorReady
from services.common.events.base import now
from services.common.loop import Done
from services.registry.references.active import active
from services.registry.references.build import reference_of
from services.registry.references.snapshot import snapshot_key, store_snapshot
from services.registry.set_cards import set_card_key, store_set_card
from services.registry.triton_client import Tensors
from tests.classifier.test_service import EARLIER, NEWEST, Bench, abstained, called
from tests.classifier.triton import MODELS, QUIET, Rows, always
from tests.registry.references.controls import AWAY, FEATURES, SHIFT, controls, set_card

NORMAL, ABNORMAL = 50, 150
"""Grey levels of the stranger's specimens; a mouse like training's is black."""


def strange(batch: Tensors) -> Rows:
    """Grey specimens have the stranger's features and scores; brighter ones are abnormal by 8 logits more."""
    grey = batch.reshape(len(batch), -1).mean(axis=1)
    foreign = (grey > 0).astype(float)
    level1 = -2 + SHIFT * foreign + np.where(grey >= ABNORMAL, 8.0, 0.0)
    scores = np.repeat(level1[:, None], 14, axis=1)
    features = np.repeat((AWAY * foreign + grey / 200)[:, None], FEATURES, axis=1)
    return dict(always(QUIET)(batch)) | {
        "scores": scores, "features": features, "unfamiliar": np.where(foreign > 0, 1.0, 0.4)[:, None]
    }  # fmt: skip


class ReferencedBench(Bench):
    """A set card is active; references are activated and rolled back."""

    def __init__(self) -> None:
        super().__init__()
        self.measure(FEATURES)
        self.triton.answers = {(model, version): strange for model in MODELS for version in (1, 2)}
        versions = dict.fromkeys(MODELS, 2)
        sha256 = store_set_card(self.store, set_card().model_dump_json().encode(), versions)
        self.activations.newest = self.activations.newest.model_copy(update={"set_card": sha256})

    def reference(self, count: int, **change: Any) -> str:
        """Store a reference of this many controls of JAX."""
        cards = self.activations.newest.cards | change
        return store_snapshot(self.store, reference_of(controls("JAX", count), set_card(), cards))

    def activate(self, sha256: str | None) -> None:
        before = self.records.newest
        earlier = (active(before), *(before.earlier if before else ()))
        self._record(sha256, earlier)

    def roll_back(self) -> None:
        assert self.records.newest is not None
        target, *rest = self.records.newest.earlier
        self._record(target.sha256, tuple(rest))

    def _record(self, sha256: str | None, earlier: Any) -> None:
        number = active(self.records.newest).activation + 1
        self.records.newest = ReferenceActivation(
            activation=number, sha256=sha256, earlier=earlier, why="a test", produced_at=now()
        )

    def reasons(self, event: TensorReady) -> tuple[str, ...]:
        return abstained(self.handle(event)[0]).reasons


@pytest.fixture
def bench() -> Iterator[ReferencedBench]:
    bench = ReferencedBench()
    with closing(bench.classifier):
        yield bench


def test_a_stranger_is_called_once_it_has_controls_and_rollback_undoes_it(bench: ReferencedBench) -> None:
    own, normal = bench.tensor("own", 0), bench.tensor("normal", NORMAL)
    abnormal = bench.tensor("abnormal", ABNORMAL)
    assert bench.call(own).abnormal is False
    first = abstained(bench.handle(normal)[0])
    assert (first.reasons, first.activation, first.reference) == (("no_reference",), NEWEST, None)
    assert first.consensus.level1 > 0.9
    assert bench.reasons(abnormal) == ("no_reference",)
    bench.activate(bench.reference(30))
    calls = [bench.call(normal), bench.call(abnormal)]
    assert [call.abnormal for call in calls] == [False, True]
    assert {call.activation for call in calls} == {NEWEST + 1}
    assert [call.reference.group for call in calls if call.reference] == ["JAX", "JAX"]
    assert calls[0].reference
    assert (calls[0].reference.activation, calls[0].reference.controls) == (1, 30)
    bench.roll_back()
    back = abstained(bench.handle(normal)[0])
    assert (back.reasons, back.consensus, back.models) == (first.reasons, first.consensus, first.models)
    assert back.activation == NEWEST + 2
    assert back.reference
    assert (back.reference.activation, back.reference.sha256) == (2, None)
    assert len({first.call_id, calls[0].call_id, back.call_id}) == 3


def test_the_same_tensor_models_and_reference_give_the_same_call_in_any_order(bench: ReferencedBench) -> None:
    bench.activate(bench.reference(30))
    events = [bench.tensor(f"m{number}", grey) for number, grey in enumerate((0, NORMAL, ABNORMAL, NORMAL))]
    found: list[dict[str, Any]] = []
    for order in itertools.permutations(events):
        made = {}
        for outcome in bench.handle(*order):
            assert isinstance(outcome, Done)
            (message,) = outcome.messages
            made[message.event.key] = message.event
        found.append(made)
    assert all(made == found[0] for made in found)
    again = {event.biological_sample_id: bench.handle(event)[0].messages[0].event for event in events}  # type: ignore[union-attr]
    assert again == found[0]


def test_too_few_controls_do_not_make_a_stranger_familiar(bench: ReferencedBench) -> None:
    bench.activate(bench.reference(5))
    event = abstained(bench.handle(bench.tensor("m", NORMAL))[0])
    assert event.reasons == ("no_reference",)
    assert event.reference
    assert (event.reference.group, event.reference.controls) == ("JAX", 5)
    other = bench.tensor("other", NORMAL, centre="TCP")
    event = abstained(bench.handle(other)[0])
    assert event.reference
    assert (event.reasons, event.reference.group) == (("no_reference",), None)


def test_a_reference_of_other_versions_is_not_used(bench: ReferencedBench) -> None:
    stale = bench.reference(30, cae="f" * 64)
    bench.activate(stale)
    event = abstained(bench.handle(bench.tensor("m", NORMAL))[0])
    assert event.reference
    assert (event.reasons, event.reference.sha256, event.reference.group) == (("no_reference",), stale, None)
    before = bench.activations.newest
    bench.activations.newest = before.model_copy(update={"set_card": None, "activation": NEWEST + 1})
    assert bench.reasons(bench.tensor("m", NORMAL)) == ("unfamiliar",)  # the versions' own cards know no references


def test_a_lost_reference_is_replaced_by_the_one_before_and_restored(
    bench: ReferencedBench, monkeypatch: pytest.MonkeyPatch
) -> None:
    event = bench.tensor("m", NORMAL)
    few, many = bench.reference(9), bench.reference(30)
    bench.activate(few)
    first = bench.call(event)
    data = bench.store.objects[snapshot_key(many)]
    bench.store.delete(snapshot_key(many))
    bench.activate(many)
    fallen = bench.call(event)
    assert fallen == first
    assert REFERENCE_FALLEN_BACK._value.get() == 1
    bench.store.put(snapshot_key(many), data)
    assert bench.call(event) == first  # tried again only after a while
    monkeypatch.setattr("services.classifier.referencing.AGAIN_SECONDS", 0.0)
    bench.classifier._references._again_at = 0.0
    restored = bench.call(event)
    assert restored.reference
    assert (restored.reference.sha256, restored.activation) == (many, NEWEST + 2)
    assert REFERENCE_FALLEN_BACK._value.get() == 0


def test_nothing_is_called_while_the_store_of_references_is_away(
    bench: ReferencedBench, monkeypatch: pytest.MonkeyPatch
) -> None:
    event = bench.tensor("m", NORMAL)
    bench.activate(bench.reference(30))

    def away(key: str, limit: int | None = None) -> bytes:
        raise Retriable("away", server="objects")

    with monkeypatch.context() as patched:
        patched.setattr(bench.store, "get", away)
        with pytest.raises(Retriable):
            bench.handle(event)
    assert isinstance(called(bench.handle(event)[0]), PhenotypeCall)


def test_a_set_card_that_is_lost_or_of_other_versions_serves_the_earlier_set(bench: ReferencedBench) -> None:
    sha256 = bench.activations.newest.set_card
    assert sha256 is not None
    bench.store.delete(set_card_key(sha256))
    call = bench.handle(bench.tensor("m", 0))[0]
    assert called(call).activation == EARLIER
    bench.store.put(set_card_key(sha256), set_card(version=1).model_dump_json().encode())
    bench.models._again_at = 0.0
    assert called(bench.handle(bench.tensor("m", 0))[0]).activation == EARLIER


def test_a_set_card_needs_the_optional_outputs(bench: ReferencedBench) -> None:
    bench.triton.card_fields = {}
    bench.pin()
    assert bench.call(bench.tensor("m", 0)).activation == EARLIER


def test_a_configuration_that_lacks_an_output_serves_the_earlier_set(bench: ReferencedBench) -> None:
    del bench.triton.outputs["features"]
    assert bench.call(bench.tensor("m", 0)).activation == EARLIER


def test_the_members_decide_alone_for_the_disagreement(bench: ReferencedBench) -> None:
    def sure(batch: Tensors) -> Rows:
        return {**strange(batch), "scores": np.full((len(batch), 14), 3.0)}

    bench.triton.answers[("cae", 2)] = sure
    call = bench.call(bench.tensor("m", 0))
    assert "Abnormal" in call.disagreement
    assert call.set_card == bench.activations.newest.set_card
