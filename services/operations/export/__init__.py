"""`xray calls export`: the ledger's calls as one file, Parquet or rows in IMPC's manner."""
