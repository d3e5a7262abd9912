"""xray.views -> the specimen's whole set of views, listed from object storage -> xray.specimens."""
