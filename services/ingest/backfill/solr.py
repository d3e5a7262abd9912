"""Reads a Solr core page by page with cursors, which need no state on the server."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final
from urllib.parse import urlencode

from services.common.errors import Fatal, Rejected, Retriable
from services.common.sources.uri import parse_web_uri
from services.ingest.backfill.client import BackfillClient
from services.ingest.backfill.query import IMAGES, OBSERVATIONS, SolrQuery

START: Final = "*"
_INCOMPLETE: Final = (KeyError, TypeError, ValueError, OverflowError)
"""What an answer raises that lacks a value or has one of another kind, such as Infinity for a number."""
_MOST_BYTES: Final = 64 * 1024 * 1024
_COMMON: Final = (
    "observation_id biological_sample_id specimen_id external_sample_id phenotyping_center biological_sample_group "
    "strain_name strain_accession_id gene_symbol gene_accession_id allele_symbol zygosity sex procedure_stable_id "
    "pipeline_stable_id parameter_stable_id date_of_experiment experiment_source_id sequence_id life_stage_name"
)
FIELDS: Final[Mapping[str, str]] = {
    IMAGES: f"{_COMMON} omero_id download_url download_file_path file_type increment_value "
    "parameter_association_stable_id",
    OBSERVATIONS: f"{_COMMON} category data_point text_value sub_term_id sub_term_name parameter_status "
    "observation_type metadata_group age_in_weeks",
}
"""The fields to request; Solr leaves out those that a document does not have."""


@dataclass(frozen=True)
class Page:
    """Some documents; the next page begins at `cursor` (None after the last); `found` counts all documents."""

    documents: Sequence[Mapping[str, Any]]
    cursor: str | None
    found: int


class Solr:
    """A client of one Solr. Thread-safe."""

    def __init__(self, query: SolrQuery, client: BackfillClient) -> None:
        """Use this query's address and filters."""
        self._query, self._client = query, client

    def page(self, core: str, cursor: str, rows: int) -> Page:
        """Read one page; raises Retriable (away, or a truncated answer) or Fatal (Solr refuses the query)."""
        key = self._query.unique_key
        fields = [("sort", f"{key} asc"), ("cursorMark", cursor), ("fl", f"{key} {FIELDS[core]}")]
        answer = self._ask(core, rows, fields, [])
        try:
            documents = [dict(one) for one in answer["response"]["docs"]]
            found, following = int(answer["response"]["numFound"]), str(answer["nextCursorMark"])
        except _INCOMPLETE as error:
            msg = f"{self._query.url}/{core}: an incomplete answer from Solr ({error!r})"
            raise Retriable(msg) from error
        return Page(documents, None if following == cursor else following, found)

    def count(self, core: str, *more_filters: str) -> int:
        """Count documents; raises as `page` does."""
        answer = self._ask(core, 0, [], list(more_filters))
        try:
            return int(answer["response"]["numFound"])
        except _INCOMPLETE as error:
            msg = f"{self._query.url}/{core}: an incomplete answer from Solr ({error!r})"
            raise Retriable(msg) from error

    def _ask(self, core: str, rows: int, fields: list[tuple[str, str]], more_filters: list[str]) -> dict[str, Any]:
        filters = [("fq", one) for one in (*self._query.filters(core), *more_filters)]
        asked = urlencode([("q", "*:*"), *filters, *fields, ("rows", str(rows)), _JSON])
        url = parse_web_uri(f"{self._query.url}/{core}/select")
        try:
            body = self._client.get(replace(url, target=f"{url.target}?{asked}"), _MOST_BYTES)
        except Rejected as refusal:
            if refusal.reason == "source_not_allowed":
                raise Fatal(refusal.message) from refusal
            detail = _message(str(refusal.details.get("answer", "")))
            msg = f"Solr refuses the query: {refusal.message} {detail}; check --solr, --unique-key and the filters"
            raise Fatal(msg) from refusal
        try:
            answer = json.loads(body)
        except (ValueError, RecursionError) as error:
            msg = f"{url}: the answer is not JSON, or is truncated ({error})"
            raise Retriable(msg) from error
        if not isinstance(answer, dict) or _is_partial(answer):
            msg = f"{url}: a partial answer"
            raise Retriable(msg)
        return answer


_JSON: Final = ("wt", "json")


def _is_partial(answer: Mapping[str, Any]) -> bool:
    header = answer.get("responseHeader")
    return isinstance(header, dict) and bool(header.get("partialResults") or header.get("status"))


def _message(answer: str) -> str:
    """Return Solr's error message, if the answer is JSON."""
    try:
        return f"({json.loads(answer)['error']['msg']})"
    except (ValueError, KeyError, TypeError):
        return ""
