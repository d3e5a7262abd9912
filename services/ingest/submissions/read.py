"""Reads submissions: XML after the schema `procedure_definition` of IMPC's data coordination centre (DCC).

Parsed as a stream with `defusedxml`: any document type is refused, so no entity can be defined, fetched or expanded;
size, depth and the length of a text are bounded. Elements are known by their local names, since centres write
different namespaces.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, Final
from xml.sax import SAXParseException
from xml.sax.handler import feature_namespaces

from defusedxml.common import DefusedXmlException
from defusedxml.sax import make_parser

from services.common.errors import Rejected
from services.ingest.submissions.content import Experiment
from services.ingest.submissions.handler import SubmissionHandler

MAXIMUM_SIZE: Final = 64 * 1024 * 1024
"""Bytes. A submission holds a day of a centre: a few megabytes."""
CHUNK: Final = 64 * 1024


def read_experiments(file: BinaryIO, path: Path) -> Iterator[Experiment]:
    """Experiments of one submission, in its order; `path` is for the words of refusals.

    Raises Rejected `xml_too_large`, `xml_forbidden` (document type, entities), `not_xml` or `not_a_submission`, whose
    words name the file and the line.
    """
    if file.seek(0, os.SEEK_END) > MAXIMUM_SIZE:
        raise Rejected("xml_too_large", f"{path}: more than 64 MiB; split the submission by experiment")
    file.seek(0)
    parser = make_parser()
    handler = SubmissionHandler(path, parser.getLineNumber)
    parser.forbid_dtd = True
    parser.setFeature(feature_namespaces, True)
    parser.setContentHandler(handler)
    try:
        while chunk := file.read(CHUNK):
            parser.feed(chunk)
            yield from handler.taken()
        parser.close()
        yield from handler.taken()
    except DefusedXmlException as error:
        words = f"{path}:{parser.getLineNumber()}: a DOCTYPE or entity is not allowed in a submission; remove it"
        raise Rejected("xml_forbidden", words) from error
    except SAXParseException as error:
        words = f"{path}:{error.getLineNumber()}: not well-formed XML ({error.getMessage()}); mend this line"
        raise Rejected("not_xml", words) from error
