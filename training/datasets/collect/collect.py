"""Makes a dataset of what there is now: the ledger's current calls, curated labels, reviews, simulated sets."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Final

from services.common.atomic import replace
from services.common.errors import Rejected
from services.common.settings import Settings
from services.common.store import ObjectStore
from services.ledger.database import connect
from services.ledger.queries import ReviewRecord, reviews
from training.datasets.collect.dataset import Dataset
from training.datasets.collect.draft import DatasetDraft, DatasetRow
from training.datasets.collect.evaluation_set import EvaluationSet, EvaluationSets
from training.datasets.collect.label_set import read_label_set
from training.datasets.collect.merge import Labelled, Statement, merge, of_labels, of_reviews
from training.datasets.collect.report import REPORT, as_markdown
from training.datasets.collect.specimens import SpecimenTensor, called_specimens, simulated_specimens
from training.datasets.collect.tensors import Tensors
from training.datasets.collect.write import upload, write_dataset
from training.labels.curation.specimen import Exclusion

Progress = Callable[[str, int, int], None]
"""Called with what is being done, how much of it is done, of how much."""
_SETTLED_BY_NOBODY: Final = (Exclusion.IDENTITY,)
"""Of the reasons for which a label set leaves a specimen out: no review can say which mouse it is."""


@dataclass
class _Said:
    """All that is known before tensors are fetched."""

    found: dict[str, SpecimenTensor] = field(default_factory=dict)
    statements: dict[str, list[Statement]] = field(default_factory=lambda: defaultdict(list))
    excluded: dict[str, str] = field(default_factory=dict)
    left_out: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))


def collect(
    out: Path,
    *,
    settings: Settings | None,
    label_sets: Sequence[Path] = (),
    sets: Sequence[Path] = (),
    grow_evaluation: bool = False,
    progress: Progress,
) -> Dataset:
    """Make the dataset of the present state below `out`, in a folder named by its digest, or find it there.

    `settings` say where ledger and object storage are; None leaves both out. `label_sets` are `labels.csv` of
    `xray train labels`, `sets` folders of simulated training sets; of what they say the last given counts. Raises
    Rejected `nothing_collected`, `no_evaluation_set`, `evaluation_incomplete` and what reading the sources raises,
    Retriable when a server is away; stopped at any point, the same call goes on.
    """
    out.mkdir(parents=True, exist_ok=True)
    store = None if settings is None else ObjectStore(settings)
    said = _gathered(settings, label_sets, sets)
    evaluations = EvaluationSets(out, store)
    current = evaluations.current()
    tensors = Tensors(out, store)
    labelled = _labelled(said, current)
    _fetch(said, labelled, tensors, progress)
    chosen = _evaluation(current, said, labelled, grow=grow_evaluation)
    draft = _draft(said, labelled, chosen)
    if chosen is not current or settings is not None:
        evaluations.keep(chosen)
    dataset = write_dataset(out, draft, tensors, _counter("writing", len(draft.rows), progress))
    replace(out / REPORT, as_markdown(draft).encode())
    if store is not None:
        upload(dataset, store)
    return dataset


def _gathered(settings: Settings | None, label_sets: Sequence[Path], sets: Sequence[Path]) -> _Said:
    said = _Said()
    for place, folder in enumerate(sets):
        simulated = simulated_specimens(folder)
        said.found |= {one.specimen: one for one in simulated.specimens}
        said.left_out["refused_by_intake"] += simulated.refused
        for specimen, labels in simulated.labels.items():
            said.statements[specimen] += of_labels(labels, "simulated", simulated.digest, place)
    for place, path in enumerate(label_sets, start=len(sets)):
        label_set = read_label_set(path)
        for specimen, curated in label_set.specimens.items():
            if curated.exclusion:
                said.excluded[specimen] = curated.exclusion
            else:
                said.statements[specimen] += of_labels(curated.labels, "label set", label_set.digest, place)
    if settings is not None:
        _read_ledger(settings, said, above=len(sets) + len(label_sets))
    return said


def _read_ledger(settings: Settings, said: _Said, above: int) -> None:
    with closing(connect(settings.postgres_dsn.get_secret_value(), "xray-train")) as connection:
        for found in called_specimens(connection):
            if isinstance(found, SpecimenTensor):
                said.found[found.specimen] = found
            elif found not in said.found:
                said.left_out["other_preprocessing"].append(found)
        records: list[ReviewRecord] = reviews(connection)
    for specimen, statements in of_reviews(records, above).items():
        said.statements[specimen] += statements


def _labelled(said: _Said, evaluation: EvaluationSet) -> dict[str, Labelled]:
    """Decide the labels; specimens that nothing can be learnt from are left out, unless they are judged on."""
    labelled: dict[str, Labelled] = {}
    elsewhere = {specimen for specimens in said.left_out.values() for specimen in specimens}
    for specimen in sorted({*said.found, *said.statements, *said.excluded}):
        merged = merge(specimen, said.statements.get(specimen, ()))
        reason = _unusable(merged, said.excluded.get(specimen, ""))
        if specimen not in said.found:
            if specimen not in elsewhere:
                said.left_out["abnormal_elsewhere" if merged.abnormal_elsewhere else "no_tensor"].append(specimen)
        elif reason and specimen not in evaluation.members:
            said.left_out[reason].append(specimen)
        else:
            labelled[specimen] = merged
    return labelled


def _unusable(merged: Labelled, exclusion: str) -> str:
    if exclusion in _SETTLED_BY_NOBODY:
        return exclusion
    if merged.labels[0] is None:
        return exclusion or ("level1_unknown" if any(value is not None for value in merged.labels) else "no_label")
    return "abnormal_elsewhere" if merged.abnormal_elsewhere else ""


def _fetch(said: _Said, labelled: dict[str, Labelled], tensors: Tensors, progress: Progress) -> None:
    wanted = [said.found[specimen] for specimen in labelled]
    refused = tensors.fetch(wanted, _counter("fetching", len(wanted), progress))
    for specimen, error in refused.items():
        said.left_out[error.reason].append(specimen)
        del labelled[specimen]


def _evaluation(current: EvaluationSet, said: _Said, labelled: Mapping[str, Labelled], *, grow: bool) -> EvaluationSet:
    absent = sorted(set(current.members) - set(labelled))
    if absent:
        words = (
            f"{len(absent)} specimens of the evaluation set have no tensor here, such as {absent[0]}; models can be "
            "compared on all of it only: name the sources it was made of, put tensors back or reprocess the specimens"
        )
        raise Rejected("evaluation_incomplete", words, specimens=absent[:10])
    if grow:
        tested = {name: one.labels for name, one in labelled.items() if said.found[name].part == "test"}
        current = current.grown(tested)
    if not current.members:
        words = "there is no evaluation set yet that models could be compared on: run once with --grow-evaluation"
        if grow:
            words = "no labelled specimen is of the test part, so there is nothing to judge models on: label more"
        raise Rejected("no_evaluation_set", words)
    return current


def _draft(said: _Said, labelled: Mapping[str, Labelled], evaluation: EvaluationSet) -> DatasetDraft:
    rows = tuple(DatasetRow(said.found[name], labelled[name], name in evaluation.members) for name in sorted(labelled))
    conflicts = tuple(conflict for row in rows for conflict in row.labelled.conflicts)
    return DatasetDraft(
        rows, evaluation, {reason: names for reason, names in said.left_out.items() if names}, conflicts
    )


def _counter(what: str, total: int, progress: Progress) -> Callable[[], None]:
    progress(what, 0, total)
    numbers = count(1)
    return lambda: progress(what, next(numbers), total)
