"""Write a model version into Triton's repository: `<model>/config.pbtxt`, and the files in `<model>/<version>/`.

These are `model.onnx`, the golden inputs, the weights for further training, the readable card (`card.md`) and, for
`local`, a link to the program `model.py`; a repository without it receives a copy of the project's. `config.pbtxt` is
one file for all versions of a model, and each version's card is a separate parameter in it.

Source of the card: Mitchell et al., Model Cards for Model Reporting, FAccT 2019 (arXiv:1810.03993).
"""

from pathlib import Path
from typing import Final

from tritonclient.grpc import model_config_pb2

from services.common.atomic import replace
from services.common.errors import Fatal
from services.common.labels import LEVEL2, LEVEL3
from services.common.model_card import ModelCard, card_parameter
from services.registry.golden import Golden
from services.registry.inspect import PROGRAM, WEIGHTS
from services.registry.repository import read_configuration, write_configuration
from services.registry.validation import VALIDATION_FILE
from training.export.graph import INPUT, OUTPUTS
from training.export.job.build_plan import PLAN_FILE
from training.export.targets import INSTANCES, MAX_BATCH_SIZE, PROFILE, REPOSITORY, Target


def as_markdown(card: ModelCard) -> str:
    """Return a version's card as Markdown."""
    facts = {
        "Architecture": card.architecture,
        "Input": f"uint8 [{card.tensor_side}, {card.tensor_side}, 3], preprocessing {card.preprocessing_version}",
        "Trained on": card.data or "not recorded",
        "Training set": f"digest `{card.training_digest}`",
        "Code": f"commit `{card.code_commit}`" if card.code_commit else "not recorded",
        "Graph": f"SHA-256 `{card.onnx_sha256}`",
        "Golden inputs": f"SHA-256 `{card.golden_sha256}`" if card.golden_sha256 else "none",
        "Weights": f"SHA-256 `{card.weights_sha256}`" if card.weights_sha256 else "not recorded",
        "Other outputs": ", ".join(f"`{name}` [{width}]" for name, width in card.outputs.items()) or "none",
        "Decision": f"`{card.evaluation_key}` in object storage" if card.evaluation_key else "none",
        "Calibration": f"digest `{card.calibration_digest}`, per label, on validation specimens",
        "Weight in the consensus": f"{card.consensus_weight:.3g}",
        "Uncertain": f"within {card.uncertain_half_width} of a threshold",
    }
    parts = [
        f"# {card.model}, version {card.version}",
        card.description,
        "\n".join(f"- **{name}**: {value}" for name, value in facts.items()),
        "## Limits",
        "\n".join(f"- {limit}" for limit in card.limits) or "Not recorded.",
        "## Figures on unseen specimens",
        _table(("figure", "value"), list(card.metrics.items())) or "Not recorded.",
        "## Thresholds",
        _table(("label", "threshold"), list(zip(card.labels, card.thresholds, strict=True))),
    ]
    return "\n\n".join(parts) + "\n"


def _table(head: tuple[str, str], rows: list[tuple[str, float]]) -> str:
    if not rows:
        return ""
    lines = [head, ("---", "---:"), *((name, f"{value:.4g}") for name, value in rows)]
    return "\n".join(f"| {left} | {right} |" for left, right in lines)


VERSIONS_KEPT: Final = 2
"""Triton serves the newest version and the previous one, so that a rollback needs no loading."""
_ONE_THREAD: Final = ("intra_op_thread_count", "inter_op_thread_count")
_WIDTHS: Final = dict(zip(OUTPUTS, (1, len(LEVEL2), len(LEVEL3)), strict=True))


def write_version(
    card: ModelCard,
    onnx_file: bytes,
    golden: Golden | None = None,
    *,
    weights: bytes | None = None,
    validation: bytes | None = None,
    repository: Path = REPOSITORY,
    target: Target = "local",
) -> Path:
    """Add or replace the version that the card describes; returns the model's directory.

    `weights` are those for further training, `validation` the outputs for validation specimens. All files are in place
    before the configuration contains their card, so that no reader sees an incomplete version.
    """
    directory = repository / card.model
    version = directory / str(card.version)
    version.mkdir(parents=True, exist_ok=True)
    files = {"model.onnx": onnx_file, "card.md": as_markdown(card).encode(), **(golden.files() if golden else {})}
    if weights is not None:
        files[WEIGHTS] = weights
    if validation is not None:
        files[VALIDATION_FILE] = validation
    for name, data in files.items():
        replace(version / name, data)
    if target == "local":
        _link_program(repository, version)
    path = directory / "config.pbtxt"
    cards = {**read_cards(path), card.version: card}
    write_configuration(path, _configuration(cards, target))
    return directory


def _link_program(repository: Path, version: Path) -> None:
    program, link = repository / PROGRAM, version / PROGRAM
    if not program.exists():
        own = REPOSITORY / PROGRAM
        if not own.exists():
            raise Fatal(f"{own} is missing: copy {PROGRAM} from model_repository/ of a clone to {repository}")
        replace(program, own.read_bytes())
    if not link.is_symlink():
        link.symlink_to(Path("../..") / PROGRAM)


def read_cards(path: Path) -> dict[int, ModelCard]:
    """Return the cards in a `config.pbtxt` by version; empty if the file does not exist."""
    if not path.exists():
        return {}
    parameters = read_configuration(path).parameters
    cards = [
        ModelCard.model_validate_json(parameters[name].string_value) for name in parameters if name.startswith("card.")
    ]
    return {card.version: card for card in cards}


def _configuration(cards: dict[int, ModelCard], target: Target) -> model_config_pb2.ModelConfig:
    newest = cards[max(cards)]
    side = newest.tensor_side
    configuration = model_config_pb2.ModelConfig(
        name=newest.model,
        max_batch_size=MAX_BATCH_SIZE,
        input=[
            model_config_pb2.ModelInput(name=INPUT, data_type=model_config_pb2.TYPE_UINT8, dims=[side, side, 3]),
        ],
        output=[
            model_config_pb2.ModelOutput(name=name, data_type=model_config_pb2.TYPE_FP32, dims=[width])
            for name, width in (_WIDTHS | _extra_outputs(cards, target)).items()
        ],
    )
    _set_target(configuration, target)
    if target != "local":
        # A version of the Python backend with a damaged graph responds with an error. During a warm-up such a response
        # crashes the whole server (Triton 2.51: segmentation fault).
        configuration.model_warmup.append(_warm_up(side))
    configuration.version_policy.latest.num_versions = VERSIONS_KEPT
    for version, card in sorted(cards.items()):
        configuration.parameters[card_parameter(version)].string_value = card.model_dump_json()
    return configuration


def _extra_outputs(cards: dict[int, ModelCard], target: Target) -> dict[str, int]:
    """Return the outputs besides the probabilities that the configuration names.

    It is one for all versions. The program of `local` gives what a version has. Triton's own backends refuse
    a version that lacks one, so they get those that all have.
    """
    found = [card.outputs for card in cards.values()]
    widths = {name: width for outputs in found for name, width in outputs.items()}
    if target == "local":
        return widths
    return {name: width for name, width in widths.items() if all(name in outputs for outputs in found)}


def _set_target(configuration: model_config_pb2.ModelConfig, target: Target) -> None:
    """Add the target's settings to a configuration.

    Source of the fields: Triton's model_config.proto and the documentation of its backends.
    """
    if target == "tensorrt":
        configuration.platform = "tensorrt_plan"
        configuration.default_model_filename = PLAN_FILE
        configuration.dynamic_batching.preferred_batch_size.extend(PROFILE[1:])
        configuration.instance_group.add(kind=model_config_pb2.ModelInstanceGroup.KIND_GPU, count=1)
        return
    configuration.backend = "python" if target == "local" else "onnxruntime"
    configuration.dynamic_batching.SetInParent()
    configuration.instance_group.add(kind=model_config_pb2.ModelInstanceGroup.KIND_CPU, count=INSTANCES)
    if target == "onnxruntime":
        for name in _ONE_THREAD:
            configuration.parameters[name].string_value = "1"


def _warm_up(side: int) -> model_config_pb2.ModelWarmup:
    zeros = model_config_pb2.ModelWarmup.Input(
        data_type=model_config_pb2.TYPE_UINT8, dims=[side, side, 3], zero_data=True
    )
    return model_config_pb2.ModelWarmup(name="one blank specimen", batch_size=1, inputs={INPUT: zeros})
