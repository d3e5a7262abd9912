"""A model card to read: Mitchell et al., Model Cards for Model Reporting, FAccT 2019 (arXiv:1810.03993)."""

from __future__ import annotations

from services.common.model_card import ModelCard


def as_markdown(card: ModelCard) -> str:
    """Write a version's card as Markdown."""
    facts = {
        "Architecture": card.architecture,
        "Input": f"uint8 [{card.tensor_side}, {card.tensor_side}, 3], preprocessing {card.preprocessing_version}",
        "Trained on": card.data or "not recorded",
        "Training set": f"digest `{card.training_digest}`",
        "Code": f"commit `{card.code_commit}`" if card.code_commit else "not recorded",
        "Graph": f"SHA-256 `{card.onnx_sha256}`",
        "Golden inputs": f"SHA-256 `{card.golden_sha256}`" if card.golden_sha256 else "none",
        "Weights": f"SHA-256 `{card.weights_sha256}`" if card.weights_sha256 else "not recorded",
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
