"""Build the TensorRT plans of a model repository, on the GPU and in the container that will serve them.

    python3 build_plan.py /models

For each version: check the graph's digest, build a strongly typed engine, assert its precision, run it on the golden
inputs and compare with ONNX Runtime's outputs. Only then are `model.plan` and `plan.json` (TensorRT version, GPU,
digests, difference) written, so that no unchecked plan can serve. The program needs only trtexec and Python 3.10's
standard library. An engine loads only with the TensorRT version and kind of GPU that built it. An existing plan is
therefore run on the golden inputs, too, and built again if it does not load or differs too much.
"""

from __future__ import annotations

import argparse
import gzip
import hashlib
import json
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

REQUEST_FILE = "plan_request.json"
RECORD_FILE = "plan.json"
PLAN_FILE = "model.plan"
TRTEXEC_FOLDER = Path("/usr/src/tensorrt/bin")
HEAVY_LAYERS = ("conv", "gemm", "matmul", "matrixmultiply")
TYPE_NAMES = {"fp16": ("half", "fp16"), "fp32": ("float", "fp32")}


class PlanError(RuntimeError):
    """A plan cannot be built, or differs from the request."""


def find_trtexec() -> str:
    """Return the path of trtexec; raises PlanError if the container has none."""
    found = shutil.which("trtexec") or shutil.which("trtexec", path=str(TRTEXEC_FOLDER))
    if found is None:
        msg = (
            f"no trtexec on PATH or in {TRTEXEC_FOLDER}: run this in NVIDIA's TensorRT container of the same release "
            "as the serving container (25.07 with 25.07)"
        )
        raise PlanError(msg)
    return found


def build_command(trtexec: str, version: Path, plan: Path, layers: Path, request: dict[str, Any]) -> list[str]:
    """Return the command that builds an engine from `model.onnx` and lists its layers."""
    name, shape = request["input"], request["shape"]
    profile = zip(("min", "opt", "max"), request["profile"], strict=True)
    return [
        trtexec,
        f"--onnx={version / 'model.onnx'}",
        f"--saveEngine={plan}",
        *(f"--{bound}Shapes={name}:{_by_x([batch, *shape])}" for bound, batch in profile),
        "--stronglyTyped",
        # TF32 would be a third precision, which was not requested.
        "--noTF32",
        "--profilingVerbosity=detailed",
        f"--exportLayerInfo={layers}",
        "--skipInference",
    ]


def run_command(trtexec: str, plan: Path, images: Path, outputs: Path, request: dict[str, Any]) -> list[str]:
    """Return the command that runs an engine on the golden inputs and writes its outputs."""
    name = request["input"]
    return [
        trtexec,
        f"--loadEngine={plan}",
        f"--shapes={name}:{_by_x([request['golden'], *request['shape']])}",
        f"--loadInputs={name}:{images}",
        f"--exportOutput={outputs}",
        "--iterations=1",
        "--duration=0",
        "--warmUp=0",
    ]


def assert_precision(layers: dict[str, Any], precision: str, kept: int) -> None:
    """Raise PlanError unless all convolutions and matrix products of the engine except `kept` use the precision."""
    heavy = [layer for layer in layers["Layers"] if isinstance(layer, dict) and _is_heavy(layer)]
    if not heavy:
        msg = "the list of layers names no convolution or matrix product, so the precision is unknown"
        raise PlanError(msg)
    wrong = [layer["Name"] for layer in heavy if not _reads(layer, TYPE_NAMES[precision])]
    if len(wrong) > min(kept, len(heavy) - 1):
        msg = f"{len(wrong)} of {len(heavy)} heavy layers do not compute in {precision}, the first is {wrong[0]}"
        raise PlanError(msg)


def largest_difference(outputs: list[dict[str, Any]], golden: dict[str, Any]) -> float:
    """Return the largest difference of the engine's outputs; raises PlanError if one is missing or not a number."""
    answers = {output["name"]: output["values"] for output in outputs}
    largest = 0.0
    for name, rows in golden["outputs"].items():
        expected = [value for row in rows for value in row]
        found = answers.get(name, [])
        if len(found) != len(expected):
            msg = f"the engine returned {len(found)} values of {name} instead of {len(expected)}"
            raise PlanError(msg)
        differences = [abs(float(left) - right) for left, right in zip(found, expected, strict=True)]
        if any(difference != difference for difference in differences):  # noqa: PLR0124 - NaN alone differs from itself
            msg = f"the engine returned NaN in {name}"
            raise PlanError(msg)
        largest = max(largest, *differences)
    return largest


def tensorrt_version(log: str) -> str:
    """Return TensorRT's version from trtexec's log; raises PlanError if the log does not contain it."""
    found = re.search(r"TensorRT version: (\d+(?:\.\d+)+)", log) or re.search(r"\[TensorRT v(\d+)\]", log)
    if found is None:
        msg = "trtexec's log does not state TensorRT's version"
        raise PlanError(msg)
    return found.group(1)


def build(version: Path, trtexec: str) -> dict[str, Any]:
    """Build, check and install the plan of one version; returns its record."""
    request = _read(version / REQUEST_FILE)
    found = _sha256(version / "model.onnx")
    if found != request["onnx_sha256"]:
        msg = f"{version / 'model.onnx'} has SHA-256 {found}, but {request['onnx_sha256']} was requested"
        raise PlanError(msg)
    with tempfile.TemporaryDirectory(dir=version, prefix=".plan-") as scratch:
        plan, layers = Path(scratch) / "plan", Path(scratch) / "layers"
        log = _run(build_command(trtexec, version, plan, layers, request))
        assert_precision(_read(layers), request["precision"], request["kept_in_32_bits"])
        difference = prove(version, plan, trtexec, request)
        record = {
            "tensorrt": tensorrt_version(log),
            "gpu": _gpu(),
            "precision": request["precision"],
            "onnx_sha256": found,
            "plan_sha256": _sha256(plan),
            "largest_difference": difference,
        }
        (version / RECORD_FILE).write_text(json.dumps(record, indent=2) + "\n", encoding="utf-8")
        plan.replace(version / PLAN_FILE)
    return record


def prove(version: Path, plan: Path, trtexec: str, request: dict[str, Any]) -> float:
    """Return a plan's difference on the golden inputs; raises PlanError if it does not run or differs too much."""
    with tempfile.TemporaryDirectory(dir=version, prefix=".proof-") as scratch:
        images, outputs = Path(scratch) / "images", Path(scratch) / "outputs"
        images.write_bytes(gzip.decompress((version / "golden.bin.gz").read_bytes()))
        _run(run_command(trtexec, plan, images, outputs, request))
        difference = largest_difference(_read(outputs), _read(version / "golden.json"))
    if difference > request["largest_difference"]:
        msg = f"the engine differs from ONNX Runtime by {difference:.2e}, the limit is {request['largest_difference']}"
        raise PlanError(msg)
    return difference


def proved_again(version: Path, trtexec: str) -> bool:
    """Return whether the existing plan works on this GPU; a plan that does not is removed."""
    plan, record = version / PLAN_FILE, version / RECORD_FILE
    if not (plan.exists() and record.exists()):
        return False
    try:
        prove(version, plan, trtexec, _read(version / REQUEST_FILE))
    except PlanError as error:
        sys.stderr.write(f"{version}: the existing plan is built again: {error}\n")
        plan.unlink()
        return False
    return True


def main(arguments: list[str] | None = None) -> int:
    """Build every plan that is missing or does not serve here; returns 1 if one cannot be built."""
    parser = argparse.ArgumentParser(description="Build the TensorRT plans of a model repository.")
    parser.add_argument("repository", type=Path, help="as written by xray train export --target tensorrt")
    repository = parser.parse_args(arguments).repository
    try:
        for request in sorted(repository.glob(f"*/*/{REQUEST_FILE}")):
            version, trtexec = request.parent, find_trtexec()
            if proved_again(version, trtexec):
                sys.stdout.write(f"{version}: the existing plan serves here\n")
            else:
                record = build(version, trtexec)
                sys.stdout.write(f"{version}: built, differs by {record['largest_difference']:.1e}\n")
    except (PlanError, OSError) as error:
        sys.stderr.write(f"error: {error}\n")
        return 1
    return 0


def _read(path: Path) -> Any:
    return json.loads(path.read_text(encoding="utf-8"))


def _run(command: list[str]) -> str:
    done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603 - fixed arguments, no shell
    if done.returncode != 0:
        msg = f"{' '.join(command)} exited with {done.returncode}:\n{(done.stdout + done.stderr)[-2000:]}"
        raise PlanError(msg)
    return done.stdout + done.stderr


def _gpu() -> str:
    smi = shutil.which("nvidia-smi")
    if smi is None:
        msg = "no nvidia-smi: start the container with its GPU (--gpus all)"
        raise PlanError(msg)
    return _run([smi, "--query-gpu=name,compute_cap,driver_version", "--format=csv,noheader", "--id=0"]).strip()


def _is_heavy(layer: dict[str, Any]) -> bool:
    kind = str(layer.get("LayerType", "")).lower()
    return any(word in kind for word in HEAVY_LAYERS)


def _reads(layer: dict[str, Any], names: tuple[str, ...]) -> bool:
    kinds = [str(tensor.get("Format/Datatype", "")).lower() for tensor in layer.get("Inputs", [])]
    return any(name in kind for kind in kinds for name in names)


def _by_x(sizes: list[int]) -> str:
    return "x".join(map(str, sizes))


def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


if __name__ == "__main__":
    sys.exit(main())
