"""`xray reprocess`: past specimens called anew, by the versions that serve now or from their originals."""
