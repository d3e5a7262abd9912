"""`xray trace`: one specimen's way through the services, by the ledger and bounded stretches of the topics."""
