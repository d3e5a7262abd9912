"""One refresh, whole: take up a run that was stopped or begin one, have it decide, promote once.

A killed job leaves a run folder and records; the next one finds them and goes on. Only the last step changes what
serves, and it is one record on `models.active` that names this run: whoever finds it there does not promote again.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Final, Literal

from pydantic import BaseModel, ConfigDict

from services.common.atomic import replace
from services.common.errors import Rejected
from services.common.events import ModelActivation
from services.registry.decision import PromotionDecision, decision_key, read_decision
from services.registry.promote import promote
from services.registry.triton_client import connect
from training.datasets.collect.dataset import Dataset
from training.refresh.bring import withdraw
from training.refresh.gate import GateRules
from training.refresh.inputs import Inputs
from training.refresh.journal import RefreshJournal
from training.refresh.run import RefreshContext, RefreshRun
from training.refresh.start import active_activation, start_from
from training.train.plan import REFRESHES

_FILE: Final = "run.json"
_WHO: Final = "xray train refresh"

Ending = Literal["promoted", "refused", "held", "overtaken"]


@dataclass(frozen=True)
class RefreshOutcome:
    """How a refresh ended: `activation` is that of the promotion; `new` is False where the run had ended before."""

    ending: Ending
    decision: PromotionDecision
    activation: int | None
    new: bool = True


@dataclass(frozen=True)
class RefreshRequest:
    """What is asked for: where runs lie, the gate's rules, whether a candidate that passes is promoted."""

    folder: Path
    rules: GateRules
    promote: bool
    gather: Callable[[], Dataset]


class _Begun(BaseModel):
    """The file that makes a folder a run."""

    model_config = ConfigDict(frozen=True)

    inputs: Inputs
    dataset: Path
    promote: bool


def refresh(place: RefreshContext, wish: RefreshRequest) -> RefreshOutcome:
    """Do one refresh, or say how it ended before; the caller holds the lease.

    Raises Rejected where nothing can be begun (nothing active, files that are not those promoted, no dataset),
    Retriable when a server is away: the next refresh goes on.
    """
    found = _unfinished(place, wish)
    if found is None:
        newest, dataset = active_activation(place.settings), wish.gather()
        earlier = _made_from(place, newest, dataset)
        if earlier is not None:
            return RefreshOutcome("promoted", earlier, newest.activation, new=False)
        found = _begun(place, wish, newest, dataset)
    run, promoting = found
    ended = run.journal.read("end")
    decision = run.decide()
    if ended is not None:
        return RefreshOutcome(ended["ending"], decision, ended["activation"], new=False)
    return _end(run, decision, promoting)


def _unfinished(place: RefreshContext, wish: RefreshRequest) -> tuple[RefreshRun, bool] | None:
    """Take up a run that was stopped, unless what it started from serves no longer."""
    for path in sorted(wish.folder.glob(f"*/{_FILE}")):
        begun = _Begun.model_validate_json(path.read_bytes())
        journal = RefreshJournal(path.parent, place.store, begun.inputs.run)
        if journal.has("end"):
            continue
        place.console.print(f"run {begun.inputs.run}: goes on, with the rules that it was begun with")
        run = _opened(place, begun, journal)
        if run is not None:
            return run, begun.promote
    return None


def _opened(place: RefreshContext, begun: _Begun, journal: RefreshJournal) -> RefreshRun | None:
    try:
        dataset = Dataset.read(begun.dataset)
        inputs = _following(active_activation(place.settings), begun.inputs, journal)
        start = start_from(place.repository, inputs.activation, inputs.versions, inputs.cards)
    except Rejected as rejected:
        place.console.print(f"run {begun.inputs.run} cannot go on, a new one is begun: {rejected}", soft_wrap=True)
        (journal.folder / _FILE).unlink()
        return None
    _write(journal.folder, begun.model_copy(update={"inputs": inputs}))
    return RefreshRun(inputs, dataset, start, journal, place)


def _following(newest: ModelActivation, inputs: Inputs, journal: RefreshJournal) -> Inputs:
    """Let a run follow the activation in force, if that is of the versions that it started from.

    Not so once it may have been promoted: what serves since then is somebody's decision.
    """
    if newest.evaluation_key == decision_key(inputs.run) or journal.has("promote"):
        return inputs
    if (newest.versions, newest.cards) != (inputs.versions, inputs.cards):
        words = f"activation {newest.activation} serves other versions than those that it started from"
        raise Rejected("activation_overtaken", words)
    return inputs.model_copy(update={"activation": newest.activation})


def _made_from(place: RefreshContext, newest: ModelActivation, dataset: Dataset) -> PromotionDecision | None:
    """Return the decision that promoted what serves, if that was on this very dataset: nothing new is to be learnt."""
    try:
        decision = read_decision(place.store, newest.evaluation_key) if newest.evaluation_key else None
    except Rejected:  # promoted by hand, with another kind of evaluation
        return None
    return decision if decision is not None and decision.dataset_digest == dataset.digest else None


def _begun(
    place: RefreshContext, wish: RefreshRequest, newest: ModelActivation, dataset: Dataset
) -> tuple[RefreshRun, bool]:
    start = start_from(place.repository, newest.activation, newest.versions, newest.cards)
    if start.size not in REFRESHES:
        raise Rejected("no_plan", f"training/train/plan.py has no schedule to refresh networks of size {start.size}")
    configuration = REFRESHES[start.size]
    inputs = Inputs(
        dataset_digest=dataset.digest,
        evaluation_digest=dataset.description.evaluation.digest,
        activation=newest.activation,
        versions=newest.versions,
        cards=newest.cards,
        size=start.size,
        plan=sha256(repr(configuration).encode()).hexdigest(),
        rules=wish.rules,
        seed=configuration.seed,
    )
    journal = RefreshJournal(wish.folder / inputs.run, place.store, inputs.run)
    if not journal.has("end"):
        place.console.print(f"run {inputs.run}: begun, on dataset {dataset.digest[:12]}")
        _write(journal.folder, _Begun(inputs=inputs, dataset=dataset.folder.resolve(), promote=wish.promote))
    return RefreshRun(inputs, dataset, start, journal, place), wish.promote


def _write(folder: Path, begun: _Begun) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    replace(folder / _FILE, begun.model_dump_json(indent=2).encode())


def _end(run: RefreshRun, decision: PromotionDecision, promoting: bool) -> RefreshOutcome:
    ending: Ending = "held"
    activation: int | None = None
    if decision.outcome == "refuse":
        ending = "refused"
        _withdraw(run, decision)
    elif promoting:
        ending, activation = _promote(run, decision)
    run.journal.write("end", {"ending": ending, "activation": activation})
    return RefreshOutcome(ending, decision, activation)


def _withdraw(run: RefreshRun, decision: PromotionDecision) -> None:
    if decision.candidate:
        with closing(connect(run.place.settings.triton_grpc)) as client:
            withdraw(run.place.repository, client, decision.candidate)


def _promote(run: RefreshRun, decision: PromotionDecision) -> tuple[Ending, int | None]:
    """Promote, unless a killed job did, or something else serves by now than what the candidate was compared with."""
    key, place = decision_key(run.inputs.run), run.place
    newest = active_activation(place.settings)
    if newest.evaluation_key == key:
        return "promoted", newest.activation
    place.lease.confirm()
    run.journal.write("promote", {"following": run.inputs.activation})
    try:
        with closing(connect(place.settings.triton_grpc)) as client:
            record = promote(
                place.settings,
                client,
                place.repository,
                decision.candidate,
                why=f"refresh {run.inputs.run}, {decision.summary()}",
                who=_WHO,
                evaluation_key=key,
                following=run.inputs.activation,
            )
    except Rejected as rejected:
        place.console.print(f"not promoted: {rejected}", soft_wrap=True, markup=False)
        if rejected.reason == "activation_overtaken":
            return "overtaken", None
        # It passed before: somebody has retired or damaged it since. A run that only failed would block all later ones.
        _withdraw(run, decision)
        return "refused", None
    return "promoted", record.activation
