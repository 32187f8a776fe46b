"""The sensors, and the bus that some of them share."""
