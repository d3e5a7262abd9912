"""Which parameters learn how fast, and which are held small."""

from __future__ import annotations

from typing import Any, Final

from torch import nn

from training.train.plan import Plan

FRONT_END: Final = "front_end"
HEADS: Final = ("heads", "shortcut", "level1", "level2", "level3", "level2_output", "level3_output")
"""Parts of the names of a backbone's parameters: of front ends wherever they lie, of the heads as its children."""


def parameter_groups(backbone: nn.Module, plan: Plan) -> list[dict[str, Any]]:
    """Return the groups for the optimiser: body, front end, heads; frozen parameters and empty groups are left out."""
    groups: dict[str, list[nn.Parameter]] = {"body": [], FRONT_END: [], "heads": []}
    for name, parameter in backbone.named_parameters():
        child = name.partition(".")[0]
        if parameter.requires_grad:
            part = FRONT_END if FRONT_END in name else "heads" if child in HEADS else "body"
            groups[part].append(parameter)
    settings: dict[str, dict[str, float]] = {
        "body": {},
        FRONT_END: {"lr": plan.learning_rate * plan.front_end_rate},
        "heads": {"weight_decay": plan.weight_decay if plan.head_weight_decay is None else plan.head_weight_decay},
    }
    return [{"name": name, "params": members, **settings[name]} for name, members in groups.items() if members]
