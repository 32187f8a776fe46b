"""A weather station daemon that never loses an observation."""

__version__ = "0.1.0"
