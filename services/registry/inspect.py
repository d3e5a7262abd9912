"""Checks a version's folder before Triton loads it: it must be complete, unchanged, and contain nothing else."""

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from pydantic import ValidationError

from services.common.errors import Rejected
from services.common.model_card import ModelCard, card_pin
from services.registry.golden import IMAGES_FILE, OUTPUTS_FILE, Golden, read_golden
from services.registry.repository import BYTECODE, ModelRepository
from services.registry.validation import VALIDATION_FILE

GRAPH: Final = "model.onnx"
PROGRAM: Final = "model.py"
WEIGHTS: Final = "weights.safetensors"
PLAN: Final = "model.plan"
PLAN_RECORD: Final = "plan.json"
KNOWN: Final = frozenset(
    {
        GRAPH,
        PROGRAM,
        IMAGES_FILE,
        OUTPUTS_FILE,
        "card.md",
        WEIGHTS,
        VALIDATION_FILE,
        PLAN,
        PLAN_RECORD,
        "plan_request.json",
    }
)
"""All files that a version may contain. So pickles, checkpoints and other code are refused."""


@dataclass(frozen=True)
class InspectedVersion:
    """A version whose files match its card."""

    card: ModelCard
    card_text: str
    golden: Golden

    @property
    def pin(self) -> str:
        """SHA-256 of the card, which holds the digests of graph and golden inputs; an activation pins it."""
        return card_pin(self.card_text)


def inspect(repository: ModelRepository, model: str, version: int) -> InspectedVersion:
    """Check one version's files against its card.

    Raises Rejected: `version_missing`, `path_escapes`, `file_unexpected`, `card_missing`, `card_invalid`,
    `file_missing` (incomplete upload), `graph_digest_wrong`, `weights_digest_wrong`, `validation_digest_wrong`,
    `program_differs`, `golden_digest_wrong`, `golden_damaged`, `golden_not_probabilities`, `plan_differs`.
    """
    folder = repository.folder(model, version)
    if not folder.is_dir():
        raise Rejected("version_missing", f"{model} has no version {version} in {repository.root}")
    for path in sorted(folder.iterdir()):
        _check_file(path, repository.root)
    text = repository.card_text(model, version)
    if text is None:
        raise Rejected("card_missing", f"{model} version {version} has no card in config.pbtxt: add it again")
    card = _card(model, version, text)
    for name, digest, reason in (
        (GRAPH, card.onnx_sha256, "graph_digest_wrong"),
        (OUTPUTS_FILE, card.golden_sha256, "golden_digest_wrong"),
    ):
        _check_digest(folder / name, digest, reason)
    if card.weights_sha256:
        _check_digest(folder / WEIGHTS, card.weights_sha256, "weights_digest_wrong")
    if card.validation_sha256:
        _check_digest(folder / VALIDATION_FILE, card.validation_sha256, "validation_digest_wrong")
    _check_plan(folder, card)
    _check_program(repository, model, version)
    golden = read_golden(folder)
    if not all(np.isfinite(rows).all() and rows.min() >= 0 and rows.max() <= 1 for rows in golden.outputs.values()):
        raise Rejected("golden_not_probabilities", f"golden outputs of {model} version {version} are not probabilities")
    return InspectedVersion(card, text, golden)


def _check_file(path: Path, root: Path) -> None:
    if path.name == BYTECODE and path.is_dir() and not path.is_symlink():
        return  # written by the server; deleted before a version is loaded
    if path.name not in KNOWN:
        known = ", ".join(sorted(KNOWN))
        raise Rejected("file_unexpected", f"{path} does not belong there; a version may contain only {known}")
    if path.is_symlink() and not (path.name == PROGRAM and path.resolve().is_relative_to(root)):
        raise Rejected("path_escapes", f"{path} is a link to {path.resolve()}; only {PROGRAM} may be one, to inside")
    if not path.is_file():
        raise Rejected("file_unexpected", f"{path} is not a file")


def _card(model: str, version: int, text: str) -> ModelCard:
    try:
        card = ModelCard.model_validate_json(text)
    except ValidationError as error:
        raise Rejected("card_invalid", f"{model} version {version}: its card does not fit: {error}") from error
    if (card.model, card.version) != (model, version):
        message = f"{model} version {version} has the card of {card.model} version {card.version}"
        raise Rejected("card_invalid", message)
    return card


def _check_digest(path: Path, expected: str, reason: str) -> None:
    if not path.is_file():
        raise Rejected(
            "file_missing", f"{path} is missing: the upload is incomplete, or the version was exported without it"
        )
    found = hashlib.sha256(path.read_bytes()).hexdigest()
    if found != expected:
        raise Rejected(reason, f"{path} has SHA-256 {found}, its card has {(expected or 'none')!a}", found=found)


def _check_plan(folder: Path, card: ModelCard) -> None:
    """Check that a plan matches its record and was built from the card's graph.

    The card cannot pin a plan, because each GPU has another one.
    """
    if not (folder / PLAN).exists():
        return
    try:
        record = json.loads((folder / PLAN_RECORD).read_bytes())
        of_graph, digest = record["onnx_sha256"], record["plan_sha256"]
    except (OSError, ValueError, TypeError, KeyError, RecursionError) as error:
        message = f"{folder / PLAN} has no readable {PLAN_RECORD}: build the plan again"
        raise Rejected("plan_differs", message) from error
    if of_graph != card.onnx_sha256:
        raise Rejected("plan_differs", f"{folder / PLAN} was not built from the card's graph: build it again")
    _check_digest(folder / PLAN, digest, "plan_differs")


def _check_program(repository: ModelRepository, model: str, version: int) -> None:
    """Check that a version's program is that of the versions that serve: a candidate never brings its own code."""
    own = repository.folder(model, version) / PROGRAM
    for other in repository.served(model):
        path = repository.folder(model, other) / PROGRAM
        if other != version and path.is_file() and (not own.is_file() or own.read_bytes() != path.read_bytes()):
            raise Rejected("program_differs", f"{own} is not the program that {model} version {other} runs")
