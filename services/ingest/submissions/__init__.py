"""The centres' submission format (XML of IMPC's data coordination centre, DCC), and whose specimen an entry is."""

from services.ingest.submissions.content import Experiment, Medium, Value
from services.ingest.submissions.identity import centre_name, specimen_id
from services.ingest.submissions.read import MAXIMUM_SIZE, read_experiments
from services.ingest.submissions.status import missing_reason

__all__ = [
    "MAXIMUM_SIZE",
    "Experiment",
    "Medium",
    "Value",
    "centre_name",
    "missing_reason",
    "read_experiments",
    "specimen_id",
]
