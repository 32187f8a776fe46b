import subprocess
import sys
from pathlib import Path

from tests.installed.parts import ROOT


def test_hadolint_reads_the_dockerfile_without_a_word() -> None:
    """Every warning is a failure, also one that is only about style."""
    hadolint = Path(sys.executable).with_name("hadolint")
    linted = subprocess.run([hadolint, ROOT / "Dockerfile"], capture_output=True, text=True, check=False)
    assert (linted.returncode, linted.stdout + linted.stderr) == (0, "")


def test_the_context_of_the_build_is_what_the_dockerfile_copies() -> None:
    """Everything stays outside but that; secrets and journals that lie in the tree never come into an image."""
    copied = {
        name
        for line in (ROOT / "Dockerfile").read_text().splitlines()
        if line.startswith("COPY ") and "--from" not in line
        for name in line.split()[1:-1]
    }
    lines = [line for line in (ROOT / ".dockerignore").read_text().splitlines() if not line.startswith("#")]
    assert lines[0] == "*"
    assert {line[1:] for line in lines if line.startswith("!")} == copied
