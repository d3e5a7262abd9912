"""What to ask Solr for."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Final

from services.common.events import ImageKind
from services.common.events.base import digest

IMAGES: Final = "impc_images"
OBSERVATIONS: Final = "experiment"
_NUMBERS: Final[dict[ImageKind, tuple[str, ...]]] = {
    "DV": ("034",),
    "LAT": ("048",),
    "other": ("049", "050", "051", "052"),
}


@dataclass(frozen=True)
class SolrQuery:
    """Where Solr is and what is wanted; empty filters want everything of the X-ray procedures.

    `url` ends before the core's name. A gene is a symbol or an MGI accession. `unique_key` is the cores' uniqueKey.
    """

    url: str
    centres: tuple[str, ...] = ()
    genes: tuple[str, ...] = ()
    procedures: tuple[str, ...] = ()
    views: tuple[ImageKind, ...] = ("DV", "LAT")
    unique_key: str = "id"

    def image_filters(self) -> list[str]:
        """Filter queries for the core of the images."""
        patterns = " OR ".join(f"*_XRY_{number}_*" for view in self.views for number in _NUMBERS[view])
        return [*self._common(), f"parameter_stable_id:({patterns})"]

    def observation_filters(self) -> list[str]:
        """Filter queries for the core of the observations; views do not matter to what was observed."""
        return [*self._common(), "-observation_type:image_record"]

    def filters(self, core: str) -> list[str]:
        """Filter queries for one of the two cores."""
        return self.image_filters() if core == IMAGES else self.observation_filters()

    def fingerprint(self) -> str:
        """What tells one backfill from another (16 hexadecimal digits)."""
        return digest(self.url, {name: list(value) for name, value in asdict(self).items() if name != "url"})[:16]

    def _common(self) -> list[str]:
        procedures = f"procedure_stable_id:({_any(self.procedures)})" if self.procedures else None
        filters = [procedures or "procedure_stable_id:*_XRY_*"]
        if self.centres:
            filters.append(f"phenotyping_center:({_any(self.centres)})")
        if self.genes:
            genes = _any(self.genes)
            filters.append(f"gene_symbol:({genes}) OR gene_accession_id:({genes})")
        return filters


def _any(values: tuple[str, ...]) -> str:
    """Phrases, in which only the quote and the backslash have a meaning."""
    return " OR ".join('"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"' for value in values)
