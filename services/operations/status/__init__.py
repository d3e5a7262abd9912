"""`xray status`: topics, lag of every service, health of every server."""
