"""What `xray models show` says of the refresh that made a version."""

from __future__ import annotations

from typing import Any

from services.cli.models.arguments import listing
from services.cli.output import moment
from services.common.errors import PipelineError
from services.common.settings import Settings
from services.common.store import ObjectStore
from services.registry.decision import read_decision


def decided(settings: Settings, key: str) -> dict[str, Any]:
    """Return the decision's figures for a version whose card names one; a store that is away hides nothing else."""
    if not key:
        return {}
    try:
        decision = read_decision(ObjectStore(settings), key)
    except PipelineError as error:
        return {"decision": f"{key} could not be read: {error}"}
    facts = {"decision": decision.outcome, "decided": moment(decision.decided_at), "decision key": key}
    facts |= {"compared with": listing(decision.active)}
    facts |= {"judged on": f"{decision.specimens} specimens, {decision.abnormal} abnormal"}
    facts |= {f"gate, {one.name}": one.in_words().partition(": ")[2] for one in decision.comparisons}
    if decision.reasons:
        facts["refused because"] = "; ".join(f"{one.reason}, {one.words}" for one in decision.reasons)
    return facts
