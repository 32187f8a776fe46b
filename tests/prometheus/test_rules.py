import re
import subprocess
from pathlib import Path

import yaml

ROOT = Path(__file__).parents[2]
EXAMPLES = ROOT / "config" / "prometheus"
RULES = EXAMPLES / "weatherd.rules.yml"
CASES = Path(__file__).parent / "weatherd.rules.test.yml"


def check(promtool: str, *arguments: str | Path) -> None:
    run = subprocess.run([promtool, *arguments], capture_output=True, text=True, timeout=60, check=False)
    assert run.returncode == 0, run.stdout + run.stderr


def alerts() -> set[str]:
    return {rule["alert"] for group in yaml.safe_load(RULES.read_text())["groups"] for rule in group["rules"]}


def test_prometheus_takes_the_examples(promtool: str) -> None:
    """The scrape configuration and the rules that it names have no mistake."""
    check(promtool, "check", "rules", RULES)
    check(promtool, "check", "config", EXAMPLES / "prometheus.yml")


def test_each_alert_comes_when_it_must_and_only_then(promtool: str) -> None:
    """A station that does badly brings about every alert, one that does well none."""
    check(promtool, "test", "rules", CASES)


def test_no_alert_is_without_a_case_and_a_way_out() -> None:
    """Each is brought about in a case, and the page for operators says what to do."""
    found = alerts()
    assert len(found) > 10
    assert found == set(re.findall(r'alertname="(\w+)"', CASES.read_text()))
    assert found == set(re.findall(r"^\| `(Weatherd\w+)`", (ROOT / "docs" / "operations.md").read_text(), re.MULTILINE))
