"""A candidate in shadow: asked about a share of the specimens after they are called, off the path of the call."""
