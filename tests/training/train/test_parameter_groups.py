from dataclasses import replace

import pytest

from training.models.registry import build_backbone
from training.models.spec import BackbonePlan
from training.train.module import parameter_groups

PLAN = BackbonePlan(epochs=1, patience=1, batch=8, learning_rate=1e-3, weight_decay=0.05)


def test_front_end_and_heads_have_their_own_rate_and_weight_decay() -> None:
    backbone = build_backbone("convnext", "small")
    plan = replace(PLAN, front_end_rate=0.1, head_weight_decay=0.5)
    groups = {group["name"]: group for group in parameter_groups(backbone, plan)}
    assert groups["front_end"]["lr"] == pytest.approx(1e-4)
    assert groups["heads"]["weight_decay"] == 0.5
    assert "lr" not in groups["heads"]
    assert "weight_decay" not in groups["body"]
    members = [parameter for group in groups.values() for parameter in group["params"]]
    learnt = [parameter for parameter in backbone.parameters() if parameter.requires_grad]
    assert sorted(map(id, members)) == sorted(map(id, learnt))
    heads = {id(parameter) for parameter in groups["heads"]["params"]}
    assert heads >= {id(parameter) for parameter in backbone.heads.parameters()}  # type: ignore[union-attr]


def test_heads_without_their_own_weight_decay_have_the_plans() -> None:
    groups = {group["name"]: group for group in parameter_groups(build_backbone("cae", "small"), PLAN)}
    assert set(groups) == {"body", "heads"}
    assert groups["heads"]["weight_decay"] == PLAN.weight_decay
