"""Builds a reference from the controls in the ledger. The same controls and models give the same snapshot."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import product
from typing import Final

import numpy as np

from services.common.decision.reference import ReferenceStatistics, estimate
from services.common.decision.set_card import SetCard
from services.common.errors import Rejected
from services.common.events import ModelActivation
from services.common.events.animal import Sex
from services.common.store import ServiceStore
from services.ledger.database import Connection
from services.ledger.queries import ControlOutput, control_outputs
from services.registry.references.snapshot import ControlGroup, ReferenceSnapshot
from services.registry.set_cards import read_set_card

MOST_CONTROLS: Final = 400
"""The newest controls of each centre that count: a centre's holders and machines change."""
FEWEST_OF_A_GROUP: Final = 30
"""Controls of one sex or strain that make a group of their own within a centre."""
_SEXES: Final[tuple[Sex | None, ...]] = (None, "female", "male")

Statistics = dict[str, ReferenceStatistics]
"""By the name of the model."""


def build_reference(connection: Connection, store: ServiceStore, serving: ModelActivation) -> ReferenceSnapshot:
    """Build a reference from the ledger for the versions that serve.

    Raises Rejected `set_card_missing`: without a set card no scale of training is known. Raises as `read_set_card`.
    """
    if serving.set_card is None:
        message = f"activation {serving.activation} has no set card; promote its versions with --set-card"
        raise Rejected("set_card_missing", message)
    card = read_set_card(store, serving.set_card, serving.versions)
    return reference_of(control_outputs(connection, serving.versions, MOST_CONTROLS), card, serving.cards)


def reference_of(controls: Sequence[ControlOutput], card: SetCard, cards: Mapping[str, str]) -> ReferenceSnapshot:
    """Return the reference of these controls, whatever their order; `cards` holds the digest of each version's card.

    A centre is shrunk towards all other centres, and these towards training. Each sex and strain that has enough
    controls is a group of its own, shrunk towards its centre.
    """
    versions = {member.model: member.version for member in card.members}
    groups: list[ControlGroup] = []
    for centre in sorted({one.centre for one in controls}):
        others = _statistics([one for one in controls if one.centre != centre], _training(card))
        own = [one for one in controls if one.centre == centre]
        groups += _groups(centre, own, _statistics(own, others))
    return ReferenceSnapshot(versions=versions, cards={model: cards[model] for model in versions}, groups=tuple(groups))


def _groups(centre: str, controls: Sequence[ControlOutput], whole: Statistics) -> Iterable[ControlGroup]:
    """Yield the group of the whole centre, then those of one sex, strain, or both."""
    strains = sorted({one.strain_accession_id for one in controls if one.strain_accession_id is not None})
    for sex, strain in product(_SEXES, (None, *strains)):
        if sex is None and strain is None:
            yield ControlGroup(centre=centre, statistics=whole)
            continue
        part = [one for one in controls if sex in {None, one.sex} and strain in {None, one.strain_accession_id}]
        if len({one.biological_sample_id for one in part}) >= FEWEST_OF_A_GROUP:
            statistics = _statistics(part, whole)
            yield ControlGroup(centre=centre, sex=sex, strain_accession_id=strain, statistics=statistics)


def _training(card: SetCard) -> Statistics:
    return {member.model: member.training for member in card.members}


def _statistics(controls: Sequence[ControlOutput], prior: Statistics) -> Statistics:
    return {model: _estimate([one for one in controls if one.model == model], prior[model]) for model in sorted(prior)}


def _estimate(outputs: Sequence[ControlOutput], prior: ReferenceStatistics) -> ReferenceStatistics:
    if not outputs:
        return prior.model_copy(update={"n": 0})
    scores = np.array([one.scores for one in outputs], dtype=np.float64)
    return estimate(scores, np.array([one.features for one in outputs], dtype=np.float64), prior)
