"""``compose.yaml`` as `docker compose` itself reads it; this asks no engine."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
BOTH = ("-f", "compose.yaml", "-f", "compose.i2c.yaml")


def compose(*arguments: str, **variables: str) -> "subprocess.CompletedProcess[str]":
    """Run `docker compose` in the tree, without the settings of who runs the tests."""
    beside = str(Path(sys.executable).parent)
    program = shutil.which("docker-compose", path=os.pathsep.join([beside, os.environ["PATH"]]))
    if program is None:
        pytest.skip("docker-compose is not installed")
    environment = {"PATH": os.environ["PATH"], "HOME": os.environ.get("HOME", "/"), **variables}
    return subprocess.run(
        [program, *arguments], cwd=ROOT, env=environment, capture_output=True, text=True, timeout=60, check=False
    )


def composition(*files: str, **variables: str) -> Mapping[str, Any]:
    """Return the whole of it: anchors, variables and overrides resolved, sizes in bytes, mounts in their long form."""
    done = compose(*files, "config", "--format", "json", **variables)
    assert (done.returncode, done.stderr) == (0, "")
    whole: Mapping[str, Any] = json.loads(done.stdout)
    return whole
