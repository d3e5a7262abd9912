"""Walks through the pages of both cores; a page is done when all that it names is stored and announced."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from typing import Any, Final

from services.cli.backfill.progress import BackfillProgress
from services.common.errors import Retriable
from services.ingest.backfill.cursor import Cursors, CursorState
from services.ingest.backfill.documents import ImageDownloads
from services.ingest.backfill.query import IMAGES, OBSERVATIONS
from services.ingest.backfill.solr import Page, Solr
from services.ingest.push.image import PushImage
from services.ingest.push.upload import SOURCE_AWAY, PushSession, insist
from services.ingest.submissions.content import keep, observations_key

_PAGE_TRIES: Final = 10
_MOST_AWAY: Final = 5
"""So many pictures in a row that cannot be had: the server is away, not the picture."""
ROWS: Final[Mapping[str, int]] = {IMAGES: 200, OBSERVATIONS: 2000}


@dataclass(frozen=True)
class Backfill:
    """One run: from where, to where, and whom to tell."""

    solr: Solr
    pictures: ImageDownloads
    session: PushSession
    cursors: Cursors
    telling: BackfillProgress
    parallel: int

    def run(self, cores: Sequence[str]) -> None:
        """Do what is unfinished of these cores, from where each stands; raises Retriable when a server stays away."""
        for core in self.cursors.unfinished(cores):
            self._core(core)

    def _core(self, core: str) -> None:
        standing: CursorState | None = self.cursors.standing(core)
        self.telling.begin(core, standing.seen if standing else 0)
        while standing is not None:
            standing = self._page(core, standing)

    def _page(self, core: str, standing: CursorState) -> CursorState | None:
        stop = self.session.uploader.stop
        stop.clear()
        page = insist(lambda: self.solr.page(core, standing.cursor, ROWS[core]), stop, _PAGE_TRIES)
        if core == IMAGES:
            self._push(page)
        elif page.documents:
            self._keep(page)
        seen = standing.seen + len(page.documents)
        following = None if page.cursor is None else CursorState(page.cursor, seen)
        self.cursors.advance(core, following)
        self.telling.page(core, len(page.documents), seen, page.found)
        return following

    def _push(self, page: Page) -> None:
        images: list[PushImage] = []
        for document in page.documents:
            planned = self.pictures.of(document)
            if isinstance(planned, PushImage):
                images.append(planned)
            else:
                self.telling.left_out(planned)
        away = 0
        with closing(self.session.uploader.push(images, self.parallel)) as results:
            for result in results:
                away = away + 1 if result.reason == SOURCE_AWAY else 0
                if away == _MOST_AWAY:
                    raise Retriable(result.words or "")
                self.telling.result(result)

    def _keep(self, page: Page) -> None:
        data = b"".join(map(_line, page.documents))
        new = keep(self.session.store, data, "jsonl")
        self.telling.kept(len(page.documents), observations_key(data, "jsonl"), new=new)


def _line(document: Mapping[str, Any]) -> bytes:
    return json.dumps(document, ensure_ascii=True, sort_keys=True, separators=(",", ":")).encode() + b"\n"
