"""What `xray push` does once its usage is checked: push images or submissions, or write a manifest."""

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from services.cli.push.report import PushReport
from services.common.settings import Settings, load
from services.ingest.dcc.receipts import SubmissionReceipts
from services.ingest.dcc.run import media_lookup, read_batch, store_submissions
from services.ingest.push.image import PushImage, SkippedFile
from services.ingest.push.manifest import create_manifest, read_manifest
from services.ingest.push.outcomes import OutcomeFollower, outcome_follower
from services.ingest.push.plan import PushDefaults, from_files, from_manifest, manifest_rows
from services.ingest.push.upload import PushConnection, connect


@dataclass(frozen=True)
class PushOptions:
    """Options that all pushes have in common.

    `patience` is the number of seconds without news after which waiting for the outcomes ends; None does not wait.
    """

    parallel: int
    again: bool
    dry_run: bool
    patience: float | None
    as_json: bool


class Push:
    """One push of these paths. Each method reports as it goes."""

    def __init__(self, paths: Sequence[Path], options: PushOptions) -> None:
        """Read nothing yet."""
        self._paths, self._options = paths, options
        self._report = PushReport(as_json=options.as_json)

    @property
    def exit_code(self) -> int:
        """0 when everything was pushed and, if waited for, accepted; otherwise as the report says."""
        return self._report.exit_code

    def images(self, given: PushDefaults, manifest: Path | None) -> None:
        """Push image files; specimen and view come from the manifest if there is one."""
        report = self._report
        images: list[PushImage] = []
        for one in self._plan(given, manifest):
            if isinstance(one, SkippedFile):
                report.skipped(one)
            else:
                images.append(one)
        if self._options.dry_run or not images:
            for image in images:
                report.planned(image)
            report.summary(len(images))
            return
        # Connect outside of `try`: if a server is away, that is the whole message.
        with self._connected() as (connection, follower):
            try:
                report.follow(connection.uploader.push(images, self._options.parallel), len(images))
            finally:
                report.summary(len(images))
            self._wait(follower)

    def submissions(self, media: Path | None) -> None:
        """Store the observations of submissions to the DCC and push their images, which are below `media`."""
        report, parallel = self._report, self._options.parallel
        batch = read_batch(self._paths, media_lookup(media, parallel))
        for one in batch.skipped:
            report.skipped(one)
        for remark in batch.remarks:
            report.remark(remark)
        receipts = SubmissionReceipts(batch.submissions)
        if self._options.dry_run or not batch.submissions:
            for image in batch.images:
                report.planned(image)
                receipts.record(image)
            report.receipts(receipts.receipts())
            report.summary(len(batch.images))
            return
        with self._connected() as (connection, follower):
            try:
                for stored in store_submissions(batch, connection.store):
                    report.stored(stored)
                results = connection.uploader.push(batch.images, parallel)
                report.follow(receipts.recording(results), len(batch.images))
            finally:
                report.receipts(receipts.receipts())
                report.summary(len(batch.images))
            self._wait(follower)

    def write_manifest(self, target: Path, given: PushDefaults) -> None:
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

    @contextmanager
    def _connected(self) -> Iterator[tuple[PushConnection, OutcomeFollower | None]]:
        settings = load(Settings)
        with ExitStack() as stack:
            connection = stack.enter_context(connect(settings, self._options.parallel, again=self._options.again))
            waits = self._options.patience is not None
            yield connection, stack.enter_context(outcome_follower(settings, connection.store)) if waits else None

    def _wait(self, follower: OutcomeFollower | None) -> None:
        if follower is not None and self._options.patience is not None:
            self._report.outcomes(follower.follow(self._report.announced, self._options.patience))

    def _plan(self, given: PushDefaults, manifest: Path | None) -> Iterator[PushImage | SkippedFile]:
        if manifest is None:
            return from_files(self._paths, given)
        found = read_manifest(manifest)
        if found.unused_columns:
            unused = ", ".join(found.unused_columns)
            self._report.remark(f"warning: {manifest}: these columns are not used: {unused}")
        return from_manifest(found.rows, self._paths, given)
