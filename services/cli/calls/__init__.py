"""`xray calls`: phenotype calls, listed, followed, or one specimen's with its lineage."""
