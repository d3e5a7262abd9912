"""What `xray push` does once its usage is checked: push images or submissions, or write a manifest."""

from collections.abc import Iterator, Sequence
from pathlib import Path

from services.cli.push.report import PushReport
from services.common.settings import Settings, load
from services.ingest.dcc.receipts import SubmissionReceipts
from services.ingest.dcc.run import media_lookup, read_batch, store_submissions
from services.ingest.push.image import PushImage, SkippedFile
from services.ingest.push.manifest import create_manifest, read_manifest
from services.ingest.push.plan import PushDefaults, from_files, from_manifest, manifest_rows
from services.ingest.push.upload import connect


class Push:
    """One push of these paths.

    Each method reports as it goes, and returns whether every file that should have been pushed was.
    """

    def __init__(self, paths: Sequence[Path], parallel: int, *, again: bool, dry_run: bool, as_json: bool) -> None:
        """Set the options that all pushes have in common; nothing is read."""
        self._paths = paths
        self._parallel = parallel
        self._again = again
        self._dry_run = dry_run
        self._report = PushReport(as_json=as_json)

    def images(self, given: PushDefaults, manifest: Path | None) -> bool:
        """Push image files; specimen and view come from the manifest if there is one."""
        report = self._report
        images: list[PushImage] = []
        for one in self._plan(given, manifest):
            if isinstance(one, SkippedFile):
                report.skipped(one)
            else:
                images.append(one)
        if self._dry_run or not images:
            for image in images:
                report.planned(image)
            report.summary(len(images))
            return not report.failed
        # Connect outside of `try`: if a server is away, that is the whole message.
        with connect(load(Settings), self._parallel, again=self._again) as connection:
            try:
                report.follow(connection.uploader.push(images, self._parallel), len(images))
            finally:
                report.summary(len(images))
        return not report.failed

    def submissions(self, media: Path | None) -> bool:
        """Store the observations of submissions to the DCC and push their images, which are below `media`."""
        report = self._report
        with media_lookup(media, self._parallel) as lookup:
            batch = read_batch(self._paths, lookup)
            for one in batch.skipped:
                report.skipped(one)
            for remark in batch.remarks:
                report.remark(remark)
            receipts = SubmissionReceipts(batch.submissions)
            if self._dry_run or not batch.submissions:
                for image in batch.images:
                    report.planned(image)
                    receipts.record(image)
                report.receipts(receipts.receipts())
                report.summary(len(batch.images))
                return not report.failed
            with connect(load(Settings), self._parallel, again=self._again) as connection:
                try:
                    for stored in store_submissions(batch, connection.store):
                        report.stored(stored)
                    results = connection.uploader.push(batch.images, self._parallel)
                    report.follow(receipts.recording(results), len(batch.images))
                finally:
                    report.receipts(receipts.receipts())
                    report.summary(len(batch.images))
        return not report.failed

    def write_manifest(self, target: Path, given: PushDefaults) -> bool:
        """Push nothing; write a manifest with one row per image file."""
        rows: list[tuple[Path, str | None, str | None]] = []
        for one in manifest_rows(self._paths, given):
            if isinstance(one, SkippedFile):
                self._report.skipped(one)
            else:
                rows.append(one)
        if rows:
            create_manifest(target, rows)
            self._report.manifest_written(target, len(rows))
        else:
            self._report.summary(0)
        return not self._report.failed

    def _plan(self, given: PushDefaults, manifest: Path | None) -> Iterator[PushImage | SkippedFile]:
        if manifest is None:
            return from_files(self._paths, given)
        found = read_manifest(manifest)
        if found.unused_columns:
            unused = ", ".join(found.unused_columns)
            self._report.remark(f"warning: {manifest}: these columns are not used: {unused}")
        return from_manifest(found.rows, self._paths, given)
