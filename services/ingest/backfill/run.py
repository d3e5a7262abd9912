"""Walks through the pages of both cores, and counts their documents for a dry run.

A page is done when all its images are stored and announced, or all its observations are stored.
"""

import json
import threading
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from typing import Any, Final, Protocol

from services.common.errors import Retriable
from services.ingest.backfill.cursor import Cursors, CursorState
from services.ingest.backfill.documents import ImageDownloads
from services.ingest.backfill.query import IMAGES, OBSERVATIONS
from services.ingest.backfill.solr import Page, Solr
from services.ingest.observations import observations_key, store_observations
from services.ingest.push.image import PushImage, SkippedFile
from services.ingest.push.upload import SOURCE_AWAY, PushConnection, PushResult, retry_until_stopped

_PAGE_TRIES: Final = 10
_MAX_AWAY: Final = 5
"""After this many images in a row that could not be fetched, the server counts as away, not only the images."""
ROWS: Final[Mapping[str, int]] = {IMAGES: 200, OBSERVATIONS: 2000}
"""Documents per page."""


class OnBackfill(Protocol):
    """Receives the progress of a backfill."""

    def core_started(self, core: str, seen: int) -> None:
        """A core starts, or continues after `seen` documents."""

    def page_done(self, core: str, new: int, seen: int, found: int) -> None:
        """A page of `new` documents is done; `seen` of the core's `found` documents are done now."""

    def stored(self, number: int, key: str, *, new: bool) -> None:
        """A page of `number` observations is in object storage; `new` is False if it was there before."""

    def skipped(self, file: SkippedFile) -> None:
        """An image is not pushed."""

    def result(self, result: PushResult) -> None:
        """An image was pushed, had been pushed before, or failed."""


@dataclass(frozen=True)
class Backfill:
    """One run: where it reads from, where it stores, and who receives its progress."""

    solr: Solr
    images: ImageDownloads
    connection: PushConnection
    cursors: Cursors
    on_progress: OnBackfill
    parallel: int

    def run(self, cores: Sequence[str]) -> None:
        """Finish these cores, each from its saved position; raises Retriable if a server stays away."""
        for core in self.cursors.unfinished(cores):
            self._core(core)

    def _core(self, core: str) -> None:
        position: CursorState | None = self.cursors.position(core)
        self.on_progress.core_started(core, position.seen if position else 0)
        while position is not None:
            position = self._page(core, position)

    def _page(self, core: str, position: CursorState) -> CursorState | None:
        stop = self.connection.uploader.stop
        stop.clear()
        page = retry_until_stopped(lambda: self.solr.page(core, position.cursor, ROWS[core]), stop, _PAGE_TRIES)
        if core == IMAGES:
            self._push(page)
        elif page.documents:
            self._store(page)
        seen = position.seen + len(page.documents)
        following = None if page.cursor is None else CursorState(page.cursor, seen)
        self.cursors.advance(core, following)
        self.on_progress.page_done(core, len(page.documents), seen, page.found)
        return following

    def _push(self, page: Page) -> None:
        images: list[PushImage] = []
        for document in page.documents:
            planned = self.images.plan(document)
            if isinstance(planned, PushImage):
                images.append(planned)
            else:
                self.on_progress.skipped(planned)
        away = 0
        with closing(self.connection.uploader.push(images, self.parallel)) as results:
            for result in results:
                away = away + 1 if result.reason == SOURCE_AWAY else 0
                if away == _MAX_AWAY:
                    raise Retriable(result.message or "")
                self.on_progress.result(result)

    def _store(self, page: Page) -> None:
        data = b"".join(map(_line, page.documents))
        new = store_observations(self.connection.store, data, "jsonl")
        self.on_progress.stored(len(page.documents), observations_key(data, "jsonl"), new=new)


def _line(document: Mapping[str, Any]) -> bytes:
    return json.dumps(document, ensure_ascii=True, sort_keys=True, separators=(",", ":")).encode() + b"\n"


@dataclass(frozen=True)
class DocumentCount:
    """Numbers of documents; one document may lack both the image and the id."""

    images: int
    without_picture: int
    without_biological_sample_id: int
    observations: int


def count_documents(solr: Solr) -> DocumentCount:
    """Count with four requests that return no documents; raises Retriable, or Fatal if Solr refuses the query."""
    never = threading.Event()

    def number(core: str, *filters: str) -> int:
        return retry_until_stopped(lambda: solr.count(core, *filters), never)

    return DocumentCount(
        images=number(IMAGES),
        without_picture=number(IMAGES, 'omero_id:"-1"'),
        without_biological_sample_id=number(IMAGES, "-biological_sample_id:[* TO *]"),
        observations=number(OBSERVATIONS),
    )
