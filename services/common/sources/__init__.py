"""Where images come from: their URIs, the hosts that may be contacted, and the client that contacts them."""
