"""Quality of a picture: measured scores, and the limits beyond which it is refused."""
