"""What the versions that serve, and the candidate, say of the same specimens."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Final

import numpy as np

from services.common.hierarchy import consensus as consensus_of
from services.common.hierarchy import pooled
from services.registry.inspect import GRAPH
from training.datasets.store import Subset
from training.evaluation.evaluate import EvaluatedBackbone, consensus
from training.export.graph import run_onnx_batches
from training.metrics.predictions import Numbers
from training.refresh.gate import ModelPrediction
from training.refresh.start import StartingPoint

_BATCH: Final = 32


def active_opinion(start: StartingPoint, subset: Subset, threads: int) -> ModelPrediction:
    """Ask the very graphs that serve, by ONNX Runtime."""
    cards = [start.cards[model] for model in start.folders]
    served = [_served((folder / GRAPH).read_bytes(), subset, threads) for folder in start.folders.values()]
    weights = [card.consensus_weight for card in cards]
    thresholds = pooled([card.thresholds for card in cards], weights)
    return ModelPrediction(consensus_of(served, weights), tuple(thresholds.tolist()))


def candidate_opinion(judged: Mapping[str, EvaluatedBackbone]) -> ModelPrediction:
    """Of the candidate's backbones on the specimens that they were judged on."""
    together = consensus(list(judged.values()))
    return ModelPrediction(together.served, together.thresholds)


def drawn(subset: Subset, most: int, seed: int) -> Subset:
    """At most so many specimens of a subset, drawn by the seed."""
    if len(subset) <= most:
        return subset
    chosen = np.sort(np.random.default_rng(seed).choice(len(subset), most, replace=False))
    centres = tuple(subset.centres[place] for place in chosen.tolist())
    return replace(subset, rows=subset.rows[chosen], labels=subset.labels[chosen], centres=centres)


def _served(graph: bytes, subset: Subset, threads: int) -> Numbers:
    answers = run_onnx_batches(graph, subset.batches(_BATCH), threads)
    return np.concatenate([np.concatenate(outputs, axis=1) for outputs in answers]).astype(np.float64)
