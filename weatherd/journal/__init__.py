"""The durable journal: what was observed, kept until every sink has it."""
