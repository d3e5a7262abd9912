"""Which view a picture is, where the head is, and whether it is a mirror image: a small network decides."""
