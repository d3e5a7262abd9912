"""Progress of `xray reprocess`: a bar on a terminal, elsewhere a line every 30 seconds."""

from types import TracebackType
from typing import Self

from services.cli.progress import LongProgress
from services.operations.reprocess.progress import ReprocessCounts
from services.operations.reprocess.source import SpecimenStatus


class ReprocessDisplay(ReprocessCounts):
    """Counts specimens and shows the counts as they change."""

    def __init__(self, specimens: int) -> None:
        """Expect this number of specimens; nothing is shown before it is entered."""
        super().__init__(specimens)
        self._progress = LongProgress()
        self._task = self._progress.add_task("specimens checked", total=specimens)

    def __enter__(self) -> Self:
        """Show the bar."""
        self._progress.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Remove the bar."""
        self._progress.stop()
        if kind is not None:
            self._progress.console.print(f"not finished ({self._state()}); the same command continues from here")

    def looked_at(self, found: SpecimenStatus) -> None:
        """Count a specimen and move the bar."""
        super().looked_at(found)
        self._progress.update(self._task, advance=1)
        self._progress.line(self._state())

    def held(self, waiting: int) -> None:
        """Show that live traffic comes first."""
        self._progress.update(self._task, description=f"waiting for {waiting} live records")
        self._progress.line(f"waiting for {waiting} live records; {self._state()}")

    def settled(self) -> None:
        """Count a specimen whose new call or views are in the ledger, and show the count."""
        super().settled()
        self._progress.update(self._task, description=f"specimens checked, {self.settled_count} reprocessed")

    def _state(self) -> str:
        return f"{self.looked_at_count} of {self.specimens} specimens checked, {self.records} records published"
