"""`xray reprocess`: past specimens called again, by the versions that serve now or from their originals."""
