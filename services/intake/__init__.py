"""xray.images -> decode, check, orient, standardise -> view in object storage -> xray.views."""
