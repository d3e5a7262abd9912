"""Every rule has an existing limit, a measured score and a documented reason."""

import re
from pathlib import Path

import pytest

from services.common.errors import Rejected
from services.intake.quality import FRAMING_RULES, PICTURE_RULES, QualityRule, check
from services.intake.settings import Limits
from services.intake.standardise import standardise
from tests.intake.files import LIMITS, encoded, exposure, grey

RULES = (*PICTURE_RULES, *FRAMING_RULES)
GOOD = standardise(encoded(grey(exposure()), ".png"), "DV", LIMITS).scores
ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "intake.md").read_text()


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: f"{rule.reason}-{rule.score}")
def test_a_score_beyond_its_limit_is_rejected_with_both_numbers(rule: QualityRule) -> None:
    limit = float(getattr(LIMITS, rule.limit))
    assert not rule.broken(GOOD, LIMITS)
    assert not rule.broken({**GOOD, rule.score: limit}, LIMITS)
    beyond = limit - 0.01 if rule.side == "below" else limit + 0.01
    with pytest.raises(Rejected) as caught:
        check(RULES, {**GOOD, rule.score: beyond}, LIMITS)
    assert caught.value.reason == rule.reason
    assert f"{rule.score} is {round(beyond, 4):g}, " in caught.value.message
    assert f"{'at least' if rule.side == 'below' else 'at most'} {limit:g} " in caught.value.message
    assert caught.value.details == {"score": rule.score, "value": round(beyond, 4), "limit": limit}


def test_every_reason_score_and_flag_is_documented() -> None:
    source = "\n".join(path.read_text() for path in (ROOT / "services" / "intake").rglob("*.py"))
    reasons = {rule.reason for rule in RULES} | set(re.findall(r'Rejected\(\s*"([a-z_]+)"', source))
    flags = set(re.findall(r'"([a-z]+_(?:uncertain|suspected|inverted|edge|contradicts_\w+))"', source))
    for name in reasons | flags | set(GOOD):
        assert f"`{name}`" in PAGE, name


def test_limits_come_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XRAY_LIMIT_MOST_ANIMALS", "2")
    assert Limits().most_animals == 2
