"""Training sets: simulated specimens processed by the serving code of intake and fuser, and collected datasets."""
