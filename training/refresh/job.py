"""One complete refresh: continue an interrupted run or begin a new one, let it decide, and promote at most once.

A killed job leaves a run folder and records; the next job finds them and continues. Only the last step changes which
models serve. It is one record on `models.active` that names this run, and a job that finds it does not promote again.
"""

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
from training.models.registry import BACKBONES, find_backbone
from training.refresh.install import withdraw_versions
from training.refresh.journal import GateRules, Inputs, RefreshJournal
from training.refresh.run import RefreshContext, RefreshRun
from training.refresh.start import active_activation, start_from
from training.train.configuration import REFRESHES

_FILE: Final = "run.json"
_WHO: Final = "xray train refresh"

Ending = Literal["promoted", "refused", "held", "overtaken"]


@dataclass(frozen=True)
class RefreshOutcome:
    """How a refresh ended: `activation` is that of the promotion; `new` is False if the run had already ended."""

    ending: Ending
    decision: PromotionDecision
    activation: int | None
    new: bool = True


@dataclass(frozen=True)
class RefreshRequest:
    """A request: the folder of runs, the gate's rules, whether to promote a candidate that passes, and the dataset."""

    folder: Path
    rules: GateRules
    promote: bool
    gather: Callable[[], Dataset]


class _RunFile(BaseModel):
    """The content of `run.json`, which marks a folder as a run."""

    model_config = ConfigDict(frozen=True)

    inputs: Inputs
    dataset: Path
    promote: bool


def refresh(context: RefreshContext, request: RefreshRequest) -> RefreshOutcome:
    """Do one refresh, or return how it ended before; the caller holds the lease.

    Raises Rejected if it cannot begin (nothing active, files that differ from those promoted, no dataset), Retriable if
    a server is away: the next refresh continues.
    """
    found = _unfinished(context, request)
    if found is None:
        newest, dataset = active_activation(context.settings), request.gather()
        earlier = _promoted_decision(context, newest, dataset)
        if earlier is not None:
            return RefreshOutcome("promoted", earlier, newest.activation, new=False)
        found = _begin(context, request, newest, dataset)
    run, promoting = found
    ended = run.journal.read("end")
    decision = run.decide()
    if ended is not None:
        return RefreshOutcome(ended["ending"], decision, ended["activation"], new=False)
    return _end(run, decision, promoting)


def _unfinished(context: RefreshContext, request: RefreshRequest) -> tuple[RefreshRun, bool] | None:
    """Continue an interrupted run, unless the versions that it started from no longer serve."""
    for path in sorted(request.folder.glob(f"*/{_FILE}")):
        run_file = _RunFile.model_validate_json(path.read_bytes())
        journal = RefreshJournal(path.parent, context.store, run_file.inputs.run)
        if journal.has("end"):
            continue
        context.report.message(f"run {run_file.inputs.run}: continues with its original rules")
        run = _reopen(context, run_file, journal)
        if run is not None:
            return run, run_file.promote
    return None


def _reopen(context: RefreshContext, run_file: _RunFile, journal: RefreshJournal) -> RefreshRun | None:
    try:
        dataset = Dataset.read(run_file.dataset)
        inputs = _follow_activation(active_activation(context.settings), run_file.inputs, journal)
        start = start_from(context.repository, inputs.activation, inputs.versions, inputs.cards)
    except Rejected as rejected:
        context.report.message(f"run {run_file.inputs.run} cannot continue, a new one begins: {rejected}")
        (journal.folder / _FILE).unlink()
        return None
    _write(journal.folder, run_file.model_copy(update={"inputs": inputs}))
    return RefreshRun(inputs, dataset, start, journal, context)


def _follow_activation(newest: ModelActivation, inputs: Inputs, journal: RefreshJournal) -> Inputs:
    """Move a run to the activation in force, if that is of the versions that the run started from.

    Once the run may have been promoted, it keeps its own: any later activation is somebody's decision.
    """
    if newest.evaluation_key == decision_key(inputs.run) or journal.has("promote"):
        return inputs
    if (newest.versions, newest.cards) != (inputs.versions, inputs.cards):
        message = f"activation {newest.activation} serves other versions than those that the run started from"
        raise Rejected("activation_overtaken", message)
    return inputs.model_copy(update={"activation": newest.activation})


def _promoted_decision(context: RefreshContext, newest: ModelActivation, dataset: Dataset) -> PromotionDecision | None:
    """Return the decision that promoted the active versions, if it used this dataset: there is nothing new to learn."""
    try:
        decision = read_decision(context.store, newest.evaluation_key) if newest.evaluation_key else None
    except Rejected:  # promoted by hand, with another kind of evaluation
        return None
    return decision if decision is not None and decision.dataset_digest == dataset.digest else None


def _begin(
    context: RefreshContext, request: RefreshRequest, newest: ModelActivation, dataset: Dataset
) -> tuple[RefreshRun, bool]:
    start = start_from(context.repository, newest.activation, newest.versions, newest.cards)
    if start.size not in REFRESHES:
        raise Rejected("no_plan", f"training/train/configuration.py has no refresh of networks of size {start.size}")
    inputs = Inputs(
        dataset_digest=dataset.digest,
        evaluation_digest=dataset.description.evaluation.digest,
        activation=newest.activation,
        versions=newest.versions,
        cards=newest.cards,
        size=start.size,
        plan=_plan_digest(REFRESHES[start.size].name),
        rules=request.rules,
        seed=REFRESHES[start.size].seed,
    )
    journal = RefreshJournal(request.folder / inputs.run, context.store, inputs.run)
    if not journal.has("end"):
        context.report.message(f"run {inputs.run}: starts with dataset {dataset.digest[:12]}")
        _write(journal.folder, _RunFile(inputs=inputs, dataset=dataset.folder.resolve(), promote=request.promote))
    return RefreshRun(inputs, dataset, start, journal, context), request.promote


def _plan_digest(configuration: str) -> str:
    plans = {name: find_backbone(name).plan(configuration) for name in BACKBONES}
    return sha256(repr((configuration, plans)).encode()).hexdigest()


def _write(folder: Path, run_file: _RunFile) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    replace(folder / _FILE, run_file.model_dump_json(indent=2).encode())


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
        with closing(connect(run.context.settings)) as client:
            withdraw_versions(run.context.repository, client, decision.candidate)


def _promote(run: RefreshRun, decision: PromotionDecision) -> tuple[Ending, int | None]:
    """Promote, unless a killed job did, or other versions serve now than those the candidate was compared with."""
    key, context = decision_key(run.inputs.run), run.context
    newest = active_activation(context.settings)
    if newest.evaluation_key == key:
        return "promoted", newest.activation
    context.lease.confirm()
    run.journal.write("promote", {"following": run.inputs.activation})
    try:
        with closing(connect(context.settings)) as client:
            record = promote(
                context.settings,
                client,
                context.repository,
                decision.candidate,
                why=f"refresh {run.inputs.run}, {decision.summary()}",
                who=_WHO,
                evaluation_key=key,
                following=run.inputs.activation,
            )
    except Rejected as rejected:
        context.report.message(f"not promoted: {rejected}")
        if rejected.reason == "activation_overtaken":
            return "overtaken", None
        # It passed before, so somebody has retired or damaged it since. A run that only failed would block later ones.
        _withdraw(run, decision)
        return "refused", None
    return "promoted", record.activation
