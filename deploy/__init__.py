"""How the system is run: the local stack without containers, images, dashboards, schemas."""
