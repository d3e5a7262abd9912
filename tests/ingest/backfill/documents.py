"""Documents in the format of IMPC's Solr server."""

import json
from collections.abc import Iterator
from contextlib import contextmanager

import cv2
import numpy as np

from tests.ingest.backfill.solr_server import Document, SolrServer


def image_document(number: int, **fields: object) -> Document:
    """One document of impc_images; two make a specimen, the first DV, the second LAT."""
    document = {
        "id": f"{number:06d}",
        "observation_id": f"obs-{number}",
        "biological_sample_id": 183800 + number // 2,
        "phenotyping_center": "JAX",
        "gene_symbol": "Akt2",
        "gene_accession_id": "MGI:104874",
        "procedure_stable_id": "IMPC_XRY_001",
        "parameter_stable_id": "IMPC_XRY_048_001" if number % 2 else "IMPC_XRY_034_001",
        "date_of_experiment": "2014-03-31T00:00:00Z",
        "omero_id": 1000 + number,
        "increment_value": 1,
        "download_url": f"//127.0.0.1:PORT/media/{1000 + number}",
        "download_file_path": f"http://images.mousephenotype.org/src/7/{number}.png",
        "parameter_association_stable_id": ["IMPC_XRY_035_001"],
        **fields,
    }
    return {name: value for name, value in document.items() if value is not None}


def observation_document(number: int, **fields: object) -> Document:
    """One document of the core experiment."""
    return {
        "id": f"{number:06d}",
        "biological_sample_id": 183800 + number // 2,
        "phenotyping_center": "JAX",
        "strain_name": "C57BL/6NJ",
        "biological_sample_group": "experimental",
        "gene_symbol": "Akt2",
        "procedure_stable_id": "IMPC_XRY_001",
        "parameter_stable_id": "IMPC_XRY_056_001" if number % 2 else "IMPC_XRY_008_001",
        "category": "yes" if number % 4 == 1 else "no" if number % 2 else None,
        "data_point": None if number % 2 else 13.0,
        "observation_type": "categorical" if number % 2 else "unidimensional",
        **fields,
    }


def picture(number: int) -> bytes:
    """A small PNG; each number gives different bytes."""
    pixels = np.zeros((8, 8), np.uint8)
    pixels[0, :2] = number % 256, number // 256
    encoded, data = cv2.imencode(".png", pixels)
    assert encoded
    return data.tobytes()


@contextmanager
def serving(images: list[Document], observations: list[Document]) -> Iterator[SolrServer]:
    """A running server with these documents, and a picture for every omero_id."""
    pictures = {str(one["omero_id"]): picture(number) for number, one in enumerate(images) if "omero_id" in one}
    with SolrServer({"experiment": observations}, pictures).running() as server:
        addressed = json.loads(json.dumps(images).replace("PORT", str(server.port)))
        server.cores["impc_images"] = addressed
        yield server
