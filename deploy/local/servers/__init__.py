"""The four servers of the local stack, one module each."""
