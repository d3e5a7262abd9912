"""Whether one edition of a schema keeps the promises of an earlier one."""

from deploy.schemas.compatibility.breaks import Break, Kind, breaks

__all__ = ["Break", "Kind", "breaks"]
