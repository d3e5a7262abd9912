"""Networks that read each view, and the enlarged trunk of each view, by its own pass of shared weights."""
