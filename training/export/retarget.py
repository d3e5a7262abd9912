"""Write the models of a repository for another target: other configurations for the same cards and golden inputs."""

import json
from dataclasses import dataclass
from pathlib import Path

from services.common.atomic import replace
from services.common.errors import Rejected
from services.registry.golden import OUTPUTS_FILE, Golden, read_golden
from training.export.graph import INPUT, make_golden, sha256
from training.export.job.build_plan import PLAN_FILE, RECORD_FILE, REQUEST_FILE
from training.export.precision import KEPT_FIRST, LARGEST_DIFFERENCE, with_precision
from training.export.repository import read_cards, write_version
from training.export.targets import PROFILE, EnginePrecision, Target
from training.export.tensorrt_rules import check_tensorrt_rules
from training.export.weights import FILE as WEIGHTS


@dataclass(frozen=True)
class Retargeted:
    """One written version, and the largest difference of its probabilities from the original on the golden inputs."""

    model: str
    version: int
    difference: float


def retarget(source: Path, target: Target, output: Path, precision: EnginePrecision = "fp32") -> list[Retargeted]:
    """Write all versions of a repository into another folder, for another target.

    Half precision changes the graph itself, and the card then names the changed graph. Raises Rejected:
    `same_repository`, `no_models`, `golden_missing`, `precision_too_low` (the graph differs too much), and
    TensorRTRuleError for a graph that TensorRT would reject.
    """
    if output.resolve() == source.resolve():
        raise Rejected("same_repository", f"{output} is also the repository to read: choose another folder")
    written = [
        _write(directory, version, target, output, precision)
        for directory in sorted(path.parent for path in source.glob("*/config.pbtxt"))
        for version in sorted(read_cards(directory / "config.pbtxt"))
    ]
    if not written:
        raise Rejected("no_models", f"{source} holds no model: train one, or name another repository")
    return written


def _write(directory: Path, version: int, target: Target, output: Path, precision: EnginePrecision) -> Retargeted:
    card = read_cards(directory / "config.pbtxt")[version]
    folder = directory / str(version)
    golden = _golden(folder)
    file, kept, difference = _within_limit((folder / "model.onnx").read_bytes(), precision, golden)
    if target == "tensorrt":
        check_tensorrt_rules(file)
    card = card.model_copy(update={"onnx_sha256": sha256(file)})
    request = _request(golden, card.onnx_sha256, precision, kept) if target == "tensorrt" else None
    written = output / card.model / str(version)
    if request is not None:
        _remove_other_plan(written, request)
    weights = (folder / WEIGHTS).read_bytes() if (folder / WEIGHTS).exists() else None
    write_version(card, file, golden, weights=weights, repository=output, target=target)
    if request is not None:
        replace(written / REQUEST_FILE, request)
    return Retargeted(card.model, version, difference)


def _within_limit(file: bytes, precision: EnginePrecision, golden: Golden) -> tuple[bytes, int, float]:
    """Return the graph, how many of its first operators stay in 32 bits, and the difference.

    The limit is half of the engine's, because the engine rounds again.
    """
    limit = LARGEST_DIFFERENCE[precision] / 2
    for kept in KEPT_FIRST:
        changed = with_precision(file, precision, kept)
        difference = golden.largest_difference(make_golden(changed, golden.images).outputs)
        if difference <= limit:
            return changed, kept, difference
    message = f"in {precision} the graph differs by {difference:.2e} on golden inputs, the limit is {limit}: use fp32"
    raise Rejected("precision_too_low", message, difference=difference, limit=limit)


def _request(golden: Golden, digest: str, precision: EnginePrecision, kept: int) -> bytes:
    """Return the specification of the plan to build, as JSON."""
    request = {
        "input": INPUT,
        "shape": golden.images.shape[1:],
        "golden": len(golden.images),
        "profile": PROFILE,
        "precision": precision,
        "kept_in_32_bits": kept,
        "onnx_sha256": digest,
        "largest_difference": LARGEST_DIFFERENCE[precision],
    }
    return (json.dumps(request, indent=2) + "\n").encode()


def _remove_other_plan(version: Path, request: bytes) -> None:
    """Remove the plan of another request before graph and card change: Triton would serve it under the new card."""
    file = version / REQUEST_FILE
    if file.exists() and file.read_bytes() == request:
        return
    for stale in (PLAN_FILE, RECORD_FILE):
        (version / stale).unlink(missing_ok=True)


def _golden(folder: Path) -> Golden:
    if not (folder / OUTPUTS_FILE).exists():
        raise Rejected("golden_missing", f"{folder} has no golden inputs: export the version again")
    return read_golden(folder)
