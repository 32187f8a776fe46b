"""Where documents are delivered to."""
