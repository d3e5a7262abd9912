"""`xray calls export`: the ledger's calls as one file, Parquet or rows in the format of IMPC."""
