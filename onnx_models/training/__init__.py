"""Training: corpus, encoder, index, ranker. Needs the extra `train`; the service never imports this package."""
