"""`xray train collect`: a versioned dataset from the ledger's calls, label sets, reviews and simulated sets."""
