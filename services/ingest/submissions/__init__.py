"""The centres' submission format (XML of IMPC's data coordination centre, DCC), and the ids of its specimens."""

from services.ingest.submissions.content import Experiment, Medium, Value, specimen_id
from services.ingest.submissions.read import MAXIMUM_SIZE, missing_reason, read_experiments

__all__ = ["MAXIMUM_SIZE", "Experiment", "Medium", "Value", "missing_reason", "read_experiments", "specimen_id"]
