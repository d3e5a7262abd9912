"""From IMPC's public Solr to bytes in object storage, events on xray.images and observations for training."""
