"""One learnt query per label attends to the cells of both views, whole and enlarged: late fusion of the views.

As in Query2Label (Liu et al., 2021, arXiv:2107.10834). A query meets the cells once, so its key projection is folded
into the query, and the values are projected after they are averaged.
"""

import torch
from torch import Tensor, nn

from services.common.labels import LABEL_ORDER


class LabelQueries(nn.Module):
    """Cells [n, cells, width] to one vector per label [n, 14, width], and the attention [n, heads, 14, cells]."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self._heads, self._scale = heads, width**-0.5
        self.queries = nn.Linear(width, heads * len(LABEL_ORDER))
        self.values = nn.Linear(heads * width, width)
        self.think = nn.Sequential(
            nn.LayerNorm(width), nn.Linear(width, 2 * width), nn.GELU(), nn.Linear(2 * width, width)
        )

    def forward(self, cells: Tensor) -> tuple[Tensor, Tensor]:
        """Attend to the cells."""
        logits = self.queries(cells).float() * self._scale
        attention = torch.softmax(logits, dim=1).permute(0, 2, 1)
        attention = attention.reshape(-1, self._heads, len(LABEL_ORDER), cells.shape[1])
        seen = attention @ cells.float()[:, None]
        vectors: Tensor = self.values(seen.permute(0, 2, 1, 3).flatten(2))
        return vectors + self.think(vectors), attention


class LabelHeads(nn.Module):
    """Vectors of the labels and what they share, flat [n, 14 * width + shared], to logits [n, 14].

    Each label reads its own vector and the shared features.
    """

    def __init__(self, width: int, shared: int) -> None:
        super().__init__()
        self.own = nn.Parameter(torch.randn(len(LABEL_ORDER), width) * width**-0.5)
        self.shared = nn.Linear(shared, len(LABEL_ORDER))

    def forward(self, features: Tensor) -> Tensor:
        """Compute the logits."""
        labels, width = self.own.shape
        vectors = features[:, : labels * width].reshape(-1, labels, width)
        logits: Tensor = (vectors * self.own).sum(dim=2) + self.shared(features[:, labels * width :])
        return logits
