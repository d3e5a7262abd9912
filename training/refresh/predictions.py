"""Predictions of the versions that serve, and of the candidate, for the same specimens."""

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


def active_prediction(start: StartingPoint, subset: Subset, threads: int) -> ModelPrediction:
    """Run the graphs that serve on a subset, with ONNX Runtime."""
    cards = [start.cards[model] for model in start.folders]
    served = [_run_graph((folder / GRAPH).read_bytes(), subset, threads) for folder in start.folders.values()]
    weights = [card.consensus_weight for card in cards]
    thresholds = pooled([card.thresholds for card in cards], weights)
    return ModelPrediction(consensus_of(served, weights), tuple(thresholds.tolist()))


def candidate_prediction(judged: Mapping[str, EvaluatedBackbone]) -> ModelPrediction:
    """Pool the candidate's backbones, on the specimens that they were evaluated on."""
    together = consensus(list(judged.values()))
    return ModelPrediction(together.served, together.thresholds)


def sample_specimens(subset: Subset, most: int, seed: int) -> Subset:
    """Return at most `most` specimens of a subset, drawn by the seed, in their order."""
    if len(subset) <= most:
        return subset
    chosen = np.sort(np.random.default_rng(seed).choice(len(subset), most, replace=False))
    centres = tuple(subset.centres[index] for index in chosen.tolist())
    return replace(subset, rows=subset.rows[chosen], labels=subset.labels[chosen], centres=centres)


def _run_graph(graph: bytes, subset: Subset, threads: int) -> Numbers:
    """Return the served probabilities, float64 [n, 14]."""
    batches = run_onnx_batches(graph, subset.batches(_BATCH), threads)
    return np.concatenate([np.concatenate(outputs, axis=1) for outputs in batches]).astype(np.float64)
