"""The versions in the repository with their roles by Triton and `models.active`, and all that is known of one.

For a version that a refresh made, this includes the figures of the decision on it.
"""

from contextlib import closing
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError

from services.cli.output import moment
from services.common.errors import PipelineError, Rejected
from services.common.events.summary import describe_versions
from services.common.model_card import ModelCard, card_pin
from services.common.settings import Settings
from services.common.store import ObjectStore
from services.registry.bucket import repository_of
from services.registry.decision import read_decision
from services.registry.inspect import inspect
from services.registry.register import ActivationRecords, records
from services.registry.repository import ModelRepository
from services.registry.triton_client import connect, ready_versions


def decided(settings: Settings, key: str) -> dict[str, Any]:
    """Return the figures of the decision that the card names; an unreachable store hides nothing else."""
    if not key:
        return {}
    try:
        decision = read_decision(ObjectStore(settings), key)
    except PipelineError as error:
        return {"decision": f"{key} could not be read: {error}"}
    facts = {"decision": decision.outcome, "decided": moment(decision.decided_at), "decision key": key}
    facts |= {"compared with": describe_versions(decision.active)}
    facts |= {"judged on": f"{decision.specimens} specimens, {decision.abnormal} abnormal"}
    facts |= {f"gate, {one.name}": one.summary().partition(": ")[2] for one in decision.comparisons}
    if decision.reasons:
        facts["refused because"] = "; ".join(f"{one.reason}, {one.words}" for one in decision.reasons)
    return facts


@dataclass(frozen=True)
class ListedVersion:
    """One version: `role` is active, shadow, previous, served or waiting; `card` is None if none is readable."""

    model: str
    version: int
    role: str
    ready: bool
    card: ModelCard | None
    pin: str | None

    def to_json(self) -> dict[str, Any]:
        """Return the version for JSON."""
        card = None if self.card is None else self.card.model_dump(mode="json")
        facts = {"model": self.model, "version": self.version, "role": self.role, "ready": self.ready}
        return facts | {"card_sha256": self.pin, "card": card}


def listed(settings: Settings) -> list[ListedVersion]:
    """Return every version in the repository, by model and version."""
    return _listed(settings, repository_of(settings), records(settings))


def _listed(settings: Settings, repository: ModelRepository, found: ActivationRecords) -> list[ListedVersion]:
    with closing(connect(settings)) as client:
        ready = ready_versions(client)
    rows: list[ListedVersion] = []
    for model in repository.models():
        served = repository.served(model)
        for version in repository.versions(model):
            text = repository.card_text(model, version)
            pin = None if text is None else card_pin(text)
            role = _role(found, model, version, served=version in served)
            rows.append(ListedVersion(model, version, role, version in ready.get(model, set()), _card(text), pin))
    return rows


def shown(settings: Settings, model: str, version: int) -> dict[str, Any]:
    """Return all that is known of one version; raises Rejected(`version_missing`)."""
    repository, found = repository_of(settings), records(settings)
    one = next(
        (row for row in _listed(settings, repository, found) if (row.model, row.version) == (model, version)), None
    )
    if one is None:
        raise Rejected("version_missing", f"the repository has no {model} version {version}: `xray models list`")
    newest, shadow = found.serving, found.shadow
    facts: dict[str, Any] = {"role": one.role, "ready in Triton": one.ready, "card SHA-256": one.pin}
    facts["files"] = _verdict(repository, model, version)
    if newest is not None and one.role == "active":
        facts |= {"activation": newest.activation, "since": newest.produced_at.isoformat(), "by": newest.who}
        facts |= {"why": newest.why, "evaluation": newest.evaluation_key}
    if shadow is not None and one.role == "shadow":
        facts |= {"share": shadow.share, "since": shadow.produced_at.isoformat(), "by": shadow.who, "why": shadow.why}
    if one.card is not None:
        card = one.card
        facts |= {"description": card.description, "data": card.data, "preprocessing": card.preprocessing_version}
        facts |= {"training digest": card.training_digest, "limits": " ".join(card.limits)} | card.metrics
        facts |= decided(settings, card.evaluation_key)
    return facts


def _verdict(repository: ModelRepository, model: str, version: int) -> str:
    try:
        inspect(repository, model, version)
    except Rejected as rejected:
        return str(rejected)
    return "match its card"


def _role(found: ActivationRecords, model: str, version: int, *, served: bool) -> str:
    newest, shadow = found.serving, found.shadow
    if newest is not None and newest.versions.get(model) == version:
        return "active"
    if shadow is not None and shadow.share and shadow.versions.get(model) == version:
        return "shadow"
    if newest is not None and newest.earlier and newest.earlier[0].versions.get(model) == version:
        return "previous"
    return "served" if served else "waiting"


def _card(text: str | None) -> ModelCard | None:
    try:
        return None if text is None else ModelCard.model_validate_json(text)
    except ValidationError:
        return None
