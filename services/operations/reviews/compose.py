"""From what a curator writes to a review that the topic takes."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Final

from pydantic_core import to_json

from services.common.errors import Rejected
from services.common.events import Review, Verdict, parse_event
from services.common.events.base import now
from services.common.labels import LABEL_ORDER

VERDICTS: Final[tuple[Verdict, ...]] = ("abnormal", "normal", "unknown")
_SEPARATORS: Final = re.compile(r"[,;\s]+")
_CLOCKS_DIFFER: Final = timedelta(minutes=5)


def labels_in(text: str) -> list[str]:
    """Read labels separated by commas, semicolons or blanks, in any case; raises Rejected(`label_unknown`)."""
    known = {label.casefold(): label for label in LABEL_ORDER}
    names = [name for name in _SEPARATORS.split(text) if name]
    for name in names:
        if name.casefold() not in known:
            raise Rejected("label_unknown", f"{name!r} is not a label; labels are {', '.join(LABEL_ORDER)}", label=name)
    return [known[name.casefold()] for name in names]


def compose(
    specimen: str, said: Mapping[Verdict, str], *, who: str, note: str, reviewed_at: datetime, call_id: str | None
) -> Review:
    """Return the review; `said` holds the labels of each verdict as they were written.

    Raises Rejected: `label_unknown`, `label_twice`, `no_verdict`, `review_from_the_future` and all that the event
    raises, such as a child that is abnormal while all its parents are normal.
    """
    verdicts: dict[str, Verdict] = {}
    for verdict, text in said.items():
        for label in labels_in(text):
            if verdicts.setdefault(label, verdict) != verdict:
                raise Rejected(
                    "label_twice", f"{label} is said to be {verdicts[label]} and {verdict}: say one", label=label
                )
    if not verdicts:
        raise Rejected("no_verdict", f"say which labels are {', '.join(VERDICTS[:-1])} or {VERDICTS[-1]}")
    if reviewed_at > now() + _CLOCKS_DIFFER:
        # The newest verdict counts: one from the future could not be corrected before its time has come.
        raise Rejected("review_from_the_future", f"reviewed_at {reviewed_at.isoformat()} has not come yet: mend it")
    draft = {
        "biological_sample_id": specimen,
        "call_id": call_id,
        "verdicts": verdicts,
        "who": who,
        "note": note,
        "reviewed_at": reviewed_at,
    }
    return parse_event(Review, to_json(draft))
