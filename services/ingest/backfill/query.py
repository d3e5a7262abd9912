"""The query to Solr: its address and filters."""

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
    """Solr's address and the filters; without filters, everything of the X-ray procedures is selected.

    `url` ends before the core's name. A gene is a symbol or an MGI accession. `unique_key` is the cores' uniqueKey.
    """

    url: str
    centres: tuple[str, ...] = ()
    genes: tuple[str, ...] = ()
    procedures: tuple[str, ...] = ()
    views: tuple[ImageKind, ...] = ("DV", "LAT")
    unique_key: str = "id"

    def image_filters(self) -> list[str]:
        """Return the filter queries for the core of the images."""
        patterns = " OR ".join(f"*_XRY_{number}_*" for view in self.views for number in _NUMBERS[view])
        return [*self._common(), f"parameter_stable_id:({patterns})"]

    def observation_filters(self) -> list[str]:
        """Return the filter queries for the core of the observations, which do not depend on views."""
        return [*self._common(), "-observation_type:image_record"]

    def filters(self, core: str) -> list[str]:
        """Return the filter queries for one of the two cores."""
        return self.image_filters() if core == IMAGES else self.observation_filters()

    def fingerprint(self) -> str:
        """Return 16 hexadecimal digits that identify this query."""
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
    """Join the values as quoted phrases, in which only quotes and backslashes need escaping."""
    return " OR ".join('"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"' for value in values)
