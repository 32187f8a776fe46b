import sys
from pathlib import Path

# The benchmarks are programs beside one another, and import one another so.
sys.path.insert(0, str(Path(__file__).parents[2] / "bench"))
