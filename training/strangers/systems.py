"""The outputs of a repository's models for a cohort, and the calls of three systems made from them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from services.common.atomic import atomic
from services.common.decision.arrays import Numbers
from services.common.decision.calibration import sigmoid
from services.common.decision.fit import SetVersion
from services.common.decision.reference import ReferenceStatistics, estimate, recentre
from services.common.decision.set_card import MemberOutputs, SetCard, called, decide_set
from services.common.errors import Rejected
from services.common.hierarchy import consensus, pooled
from services.common.model_card import ModelCard
from services.registry.repository import FILE
from services.registry.validation import fit_versions, read_validation
from training.export.graph import OUTPUTS, run_onnx_batches, sha256
from training.export.repository import read_cards
from training.strangers.cohorts import Cohort

Mask = NDArray[np.bool_]
DECISION_OUTPUTS: Final = ("scores", "features", "unfamiliar")
_BATCH: Final = 16
CONSENSUS: Final = "consensus"
ALONE: Final = "set without controls"
REFERRED: Final = "set with controls"
SYSTEMS: Final = (CONSENSUS, ALONE, REFERRED)
"""The consensus of the model cards, and the decision layer without and with the centre's controls."""


@dataclass(frozen=True)
class Member:
    """One version of a repository: its card and its graph."""

    card: ModelCard
    graph: bytes

    @property
    def name(self) -> str:
        """Name of the model."""
        return self.card.model


@dataclass(frozen=True)
class ServedSet:
    """The newest version of each model of a repository, and the card of their set."""

    members: tuple[Member, ...]
    card: SetCard


def read_set(repository: Path) -> ServedSet:
    """Read the newest versions of a repository, and fit their set on the validation outputs stored with them.

    Raises Rejected `no_models`, and the errors of `read_validation` and `fit_versions`.
    """
    members, outputs = [], {}
    for path in sorted(repository.glob(f"*/{FILE}")):
        cards = read_cards(path)
        card = cards[max(cards)]
        version = path.parent / str(card.version)
        members.append(Member(card, (version / "model.onnx").read_bytes()))
        outputs[SetVersion(card.model, card.version)] = read_validation(version)
    if not members:
        raise Rejected("no_models", f"{repository} holds no model: name another repository")
    return ServedSet(tuple(members), fit_versions(outputs))


class Outputs(NamedTuple):
    """One member's outputs for a cohort: probabilities as served [n, 14], and what the decision layer reads."""

    served: Numbers
    decision: MemberOutputs


def read_outputs(member: Member, cohort: Cohort, folder: Path) -> Outputs:
    """Run a member's graph on a cohort; the outputs are kept in `folder`, named by graph and tensors."""
    path = folder / f"{cohort.name}-{sha256(member.graph)[:12]}-{sha256(cohort.tensors.tobytes())[:12]}.npz"
    names = (*OUTPUTS, *DECISION_OUTPUTS)
    if not path.exists():
        batches = [cohort.tensors[start : start + _BATCH] for start in range(0, len(cohort.tensors), _BATCH)]
        each = list(run_onnx_batches(member.graph, batches, outputs=names))
        joined = {name: np.concatenate([one[index] for one in each]) for index, name in enumerate(names)}
        path.parent.mkdir(parents=True, exist_ok=True)
        with atomic(path) as part, part.open("wb") as file:
            np.savez(file, **joined)  # type: ignore[arg-type]
    with np.load(path) as arrays:
        found = {name: arrays[name].astype(np.float64) for name in names}
    served = np.concatenate([found[name] for name in OUTPUTS], axis=1)
    return Outputs(served, MemberOutputs(found["scores"], found["features"], found["unfamiliar"][:, 0]))


@dataclass(frozen=True)
class Calls:
    """What a system says of n specimens: probabilities [n, 14], labels called [n, 14], and whether it abstains [n].

    `given_abnormal` holds level 1, and levels 2 and 3 given abnormal.
    """

    system: str
    given_abnormal: Numbers
    served: Numbers
    positive: Mask
    abstained: Mask

    def select(self, rows: Mask) -> Calls:
        """Return the calls of a mask [n]."""
        return Calls(
            self.system, self.given_abnormal[rows], self.served[rows], self.positive[rows], self.abstained[rows]
        )


Known = Mapping[str, tuple[ReferenceStatistics, ...]]
"""References by centre, one for each member."""


def call(served_set: ServedSet, outputs: Sequence[Outputs], cohort: Cohort, known: Known | None = None) -> list[Calls]:
    """Call a cohort's specimens by every system.

    `known` are the centres' references, by default those of the cohort's own controls. Centres without one have
    training's.
    """
    own = references(served_set.card, outputs, cohort) if known is None else known
    return [
        _by_consensus(served_set.members, outputs),
        _by_set(served_set.card, ALONE, outputs, cohort, {}),
        _by_set(served_set.card, REFERRED, outputs, cohort, own),
    ]


def references(card: SetCard, outputs: Sequence[Outputs], cohort: Cohort) -> dict[str, tuple[ReferenceStatistics, ...]]:
    """Estimate the references of each centre from the cohort's controls, one for each member."""
    centres = np.array(cohort.centres)
    found = {}
    for centre in sorted(set(centres[cohort.control].tolist())):
        rows = cohort.control & (centres == centre)
        found[centre] = tuple(
            estimate(one.decision.scores[rows], one.decision.features[rows], member.training)
            for one, member in zip(outputs, card.members, strict=True)
        )
    return found


def _by_consensus(members: Sequence[Member], outputs: Sequence[Outputs]) -> Calls:
    weights = [member.card.consensus_weight for member in members]
    served = consensus([one.served for one in outputs], weights)
    thresholds = pooled([member.card.thresholds for member in members], weights)
    given = pooled([_given_abnormal(one.served) for one in outputs], weights)
    return Calls(CONSENSUS, given, served, called(served, thresholds), np.zeros(len(served), dtype=np.bool_))


def _given_abnormal(served: Numbers) -> Numbers:
    """Divide by level 1, which the served probabilities of levels 2 and 3 are multiplied with."""
    given = served.copy()
    given[:, 1:] = np.clip(given[:, 1:] / np.maximum(given[:, :1], 1e-9), 0, 1)
    return given


def _by_set(
    card: SetCard,
    system: str,
    outputs: Sequence[Outputs],
    cohort: Cohort,
    known: Known,
) -> Calls:
    shape = outputs[0].served.shape
    calls = Calls(
        system, np.zeros(shape), np.zeros(shape), np.zeros(shape, dtype=np.bool_), np.zeros(shape[0], dtype=np.bool_)
    )
    centres = np.array(cohort.centres)
    for centre in sorted(set(cohort.centres)):
        rows = np.flatnonzero(centres == centre)
        own = [MemberOutputs(*(values[rows] for values in one.decision)) for one in outputs]
        decision = decide_set(card, own, known.get(centre))
        calls.given_abnormal[rows], calls.served[rows] = decision.given_abnormal, decision.served
        calls.positive[rows] = decision.positive
        calls.abstained[rows] = [reason is not None for reason in decision.reasons]
    return calls


def member_calls(
    served_set: ServedSet, outputs: Sequence[Outputs], cohort: Cohort, *, referred: bool
) -> dict[str, Numbers]:
    """Return each member's calibrated probabilities [n, 14], of levels 2 and 3 given abnormal."""
    centres = np.array(cohort.centres)
    known = references(served_set.card, outputs, cohort) if referred else {}
    found = {}
    for index, (member, one) in enumerate(zip(served_set.card.members, outputs, strict=True)):
        scores = one.decision.scores.copy()
        for centre, reference in known.items():
            rows = centres == centre
            scores[rows] = recentre(scores[rows], reference[index], member.training)
        found[member.model] = sigmoid(scores * member.scale + member.shift)
    return found
