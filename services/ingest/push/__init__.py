"""From image files on disk to bytes in object storage and events on xray.images."""
