"""Training labels from the centres' observations: the 53 observations of the X-ray procedure and the 1x13 call."""

from services.common.observations import (
    Observation,
    abnormal_elsewhere,
    by_parameter,
    call_vector,
    level1,
    observation,
    table,
)

__all__ = ["Observation", "abnormal_elsewhere", "by_parameter", "call_vector", "level1", "observation", "table"]
