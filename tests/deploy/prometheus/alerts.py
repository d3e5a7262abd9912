"""The alert rules as the tests read them."""

from functools import cache
from typing import Any, Final

import yaml

from tests.deploy.compose_file import CLONE

RULES: Final = sorted((CLONE / "deploy" / "prometheus" / "rules").glob("*.yml"))


@cache
def alerts() -> dict[str, dict[str, Any]]:
    """Every alert rule by name."""
    rules = [rule for file in RULES for group in yaml.safe_load(file.read_text())["groups"] for rule in group["rules"]]
    found = {rule["alert"]: rule for rule in rules if "alert" in rule}
    assert len(found) == sum("alert" in rule for rule in rules)
    return found
