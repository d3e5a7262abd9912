"""Imports IMPC's published X-rays from its public Solr: images become events, observations are kept for training."""
