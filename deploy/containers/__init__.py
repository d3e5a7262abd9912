"""Container images, their health checks, the demo against running containers, and a trial of the compose file."""
