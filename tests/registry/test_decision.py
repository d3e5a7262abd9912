from typing import Any

import pytest

from services.cli.models import listing as module
from services.cli.models.listing import decided
from services.common.errors import Rejected, Retriable
from services.common.events.base import now
from services.common.settings import Settings
from services.registry.decision import Comparison, PromotionDecision, Reason, decision_key, read_decision
from tests.training.refresh.recorders import Objects

BETTER = Comparison(name="AUC level 1", active=0.9, candidate=0.95, difference=0.05, lowest=0.02, margin=0.01)
WORSE = BETTER.model_copy(update={"name": "AUC level 2, mean", "difference": -0.02, "lowest": -0.04})
DECISION = PromotionDecision(
    run="abc", outcome="promote", comparisons=(BETTER,), specimens=400, abnormal=150, candidate={"cae": 3},
    activation=4, active={"cae": 2, "convnext": 1}, cards={}, dataset_digest="d", evaluation_digest="e",
    decided_at=now(),
)  # fmt: skip


def stored(data: bytes) -> Any:
    return Objects({decision_key("abc"): data})


def test_a_comparison_is_summarised_in_a_sentence() -> None:
    assert (BETTER.worse, WORSE.worse) == (False, True)
    assert BETTER.summary() == "AUC level 1: 0.950 against 0.900, +0.050, at least +0.020 (allowed above -0.010)"


def test_a_decision_is_read_back_unchanged() -> None:
    assert read_decision(stored(DECISION.model_dump_json().encode()), decision_key("abc")) == DECISION


@pytest.mark.parametrize(("data", "reason"), [(b"{}", "decision_unreadable"), (b"no JSON", "decision_unreadable")])
def test_an_object_that_is_not_a_decision_is_refused(data: bytes, reason: str) -> None:
    with pytest.raises(Rejected) as refusal:
        read_decision(stored(data), decision_key("abc"))
    assert refusal.value.reason == reason


def test_a_refusal_gives_the_reason() -> None:
    reason = Reason(reason="level_worse", words=WORSE.summary())
    words = DECISION.model_copy(update={"outcome": "refuse", "reasons": (reason,)}).summary()
    assert words.startswith("refuse: level_worse, AUC level 2, mean: 0.950")


def test_shown_are_the_gate_s_figures(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "ObjectStore", lambda _settings: stored(DECISION.model_dump_json().encode()))
    shown = decided(Settings(), decision_key("abc"))
    assert (shown["decision"], shown["compared with"]) == ("promote", "cae 2, convnext 1")
    assert shown["gate, AUC level 1"].startswith("0.950 against 0.900")
    assert decided(Settings(), "") == {}


def test_an_unreachable_store_is_reported_and_nothing_else_is_lost(monkeypatch: pytest.MonkeyPatch) -> None:
    class Away:
        def get(self, key: str) -> bytes:
            raise Retriable(f"could not get {key}")

    monkeypatch.setattr(module, "ObjectStore", lambda _settings: Away())
    assert "could not be read" in decided(Settings(), decision_key("abc"))["decision"]
