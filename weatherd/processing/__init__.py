"""From measurements to documents: pure, without a clock and without I/O."""
