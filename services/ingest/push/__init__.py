"""Pushes images: plans them, uploads their bytes and announces them on xray.images."""
