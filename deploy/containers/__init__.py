"""Container images, their health checks, and a trial of the compose file."""
