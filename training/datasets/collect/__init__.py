"""`xray train collect`: a versioned dataset from the ledger's calls, label sets and curators' reviews."""
