"""A candidate in shadow sees a share of the specimens after their calls are published, without delaying any call."""
