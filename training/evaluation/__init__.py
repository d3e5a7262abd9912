"""Decision thresholds and figures on held-out specimens."""
