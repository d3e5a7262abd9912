"""The centres' submissions: XML after the schema `procedure_definition` of IMPC's data coordination centre (DCC).

Parsed as a stream with `defusedxml`: any document type is refused, so no entity can be defined, fetched or expanded;
size, depth and the length of a text are bounded. Elements are known by their local names, since centres write
different namespaces. Strain and group are not in this schema.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, Final
from xml.sax import SAXParseException
from xml.sax.handler import feature_namespaces

from defusedxml.common import DefusedXmlException
from defusedxml.sax import make_parser

from services.common.errors import Rejected
from training.labels.sources.record import Item
from training.labels.sources.size import size_of
from training.labels.sources.submission import SubmissionHandler

MAXIMUM_SIZE: Final = 64 * 1024 * 1024
"""Bytes. A submission holds a day of a centre: a few megabytes."""
CHUNK: Final = 64 * 1024


def read_xml(file: BinaryIO, path: Path) -> Iterator[Item]:
    """Items of one submission; several specimens of an experiment share its values.

    Raises Rejected `xml_too_large`, `xml_forbidden` (document type, entities), `not_xml` or `not_a_submission`.
    """
    if size_of(file) > MAXIMUM_SIZE:
        raise Rejected("xml_too_large", f"{path}: more than 64 MiB; split the submission by experiment")
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
