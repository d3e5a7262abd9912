"""What runs inside the serving container, with nothing but its Python."""
