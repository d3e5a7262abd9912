"""xray.images -> decode, check, orient and standardise -> view in object storage -> xray.views."""
