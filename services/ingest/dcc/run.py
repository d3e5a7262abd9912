"""Pushes submissions: all files are read first, then observations are kept, then pictures are sent."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from services.cli.push.report import PushReport
from services.common.errors import Rejected
from services.common.settings import Settings, load
from services.common.store import ObjectStore
from services.ingest.dcc.account import SubmissionAccount
from services.ingest.dcc.content import DccSubmission
from services.ingest.dcc.plan import PlannedSubmission, leave_out_shared, read_submission
from services.ingest.push.image import PushImage, SkippedFile, file_left_out
from services.ingest.push.upload import session
from services.ingest.submissions.content import keep
from services.intake.fetch import Fetcher
from services.intake.settings import IntakeSettings, Limits


@dataclass(frozen=True)
class SubmissionPushOptions:
    """How to push; `media` is the folder of the pictures, None that of each submission."""

    media: Path | None
    parallel: int
    again: bool
    dry_run: bool
    as_json: bool


def push_submissions(paths: Iterable[Path], options: SubmissionPushOptions, report: PushReport) -> None:
    """Push the submissions that are whole and good; the others are named, and nothing of them is sent."""
    settings = load(IntakeSettings)
    fetcher = Fetcher(ObjectStore(settings, connections=options.parallel), settings, load(Limits).most_bytes)
    with closing(fetcher):
        submissions = list(_read(_submission_files(paths), PlannedSubmission(options.media, fetcher.fetch), report))
        leave_out_shared(submissions)
        images = _planned(submissions, report)
        account = SubmissionAccount(submissions)
        try:
            if options.dry_run:
                _show_plan(images, account, report)
            elif submissions:
                _send(submissions, images, account, options, report)
        finally:
            account.show(as_json=options.as_json)
            report.summary()


def _show_plan(images: Iterable[PushImage], account: SubmissionAccount, report: PushReport) -> None:
    for image in images:
        report.planned(image)
        account.note(image)


def _send(
    submissions: list[DccSubmission],
    images: list[PushImage],
    account: SubmissionAccount,
    options: SubmissionPushOptions,
    report: PushReport,
) -> None:
    with session(load(Settings), options.parallel, again=options.again) as run:
        for submission in submissions:
            new = keep(run.store, submission.data, "xml")
            report.kept(submission.path, submission.key, new=new)
        report.follow(account.noting(run.uploader.push(images, options.parallel)), len(images))


def _submission_files(paths: Iterable[Path]) -> Iterator[Path]:
    for path in paths:
        if path.is_dir():
            yield from sorted(below for below in path.rglob("*") if below.suffix.lower() == ".xml" and below.is_file())
        else:
            yield path


def _read(paths: Iterable[Path], reading: PlannedSubmission, report: PushReport) -> Iterator[DccSubmission]:
    for path in paths:
        try:
            submission = read_submission(path, reading)
        except Rejected as rejected:
            report.left_out(file_left_out(path, rejected.reason, _with_line(rejected.message, path)))
            continue
        for line, reason, words in submission.unclear:
            report.left_out(file_left_out(path, reason, f"line {line}: {words}"))
        if submission.other_procedures:
            report.remark(f"{path}: {submission.other_procedures} experiments of other procedures are not X-rays")
        yield submission


def _planned(submissions: Iterable[DccSubmission], report: PushReport) -> list[PushImage]:
    images: list[PushImage] = []
    for submission in submissions:
        for animal in submission.animals.values():
            for one in animal.named:
                if isinstance(one.planned, PushImage):
                    images.append(one.planned)
                else:
                    where = f"{animal.specimen}, {submission.path.name} line {one.line}"
                    words = f"{one.planned.words} ({where})"
                    report.left_out(SkippedFile(one.planned.source, one.planned.reason, words))
    return images


def _with_line(words: str, path: Path) -> str:
    return re.sub(rf"^{re.escape(str(path))}:(\d*):? ?", lambda match: f"line {match[1]}: " if match[1] else "", words)
