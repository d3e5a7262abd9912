"""`xray trace`: one specimen followed through the services, by the ledger and limited ranges of the topics."""
