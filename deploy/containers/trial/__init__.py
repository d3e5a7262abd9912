"""Brings docker-compose.yml up for real, sends the demo's mice and looks for their calls in PostgreSQL."""
