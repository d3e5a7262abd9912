"""`xray calls`: phenotype calls listed, followed, exported, or one specimen's with its lineage."""
