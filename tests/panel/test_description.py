import re
from pathlib import Path

import msgspec
import pytest
import yaml

from tests.panel.stations import shown

PANEL = Path("weatherd/panel")


def test_the_json_is_the_yaml() -> None:
    """What is served is what is written; `make openapi` makes one of the other."""
    served = msgspec.json.decode((PANEL / "openapi.json").read_bytes())
    assert served == yaml.safe_load((PANEL / "openapi.yaml").read_text())


async def test_every_path_of_the_description_is_answered(tmp_path: Path) -> None:
    """A path that is described is there, and one that is there is described."""
    async with shown(tmp_path) as one:
        paths = (await one.told("/openapi.json"))["paths"]
        found = {path: (await one.headers(path, "HEAD"))[0] for path in paths}
        assert found.pop("/api/v1/history") == 400  # wants a quantity
        assert found.pop("/metrics", 200) in {200, 404}
        assert set(found.values()) == {200}


@pytest.mark.parametrize("page", ["/", "/docs"])
async def test_a_page_needs_nothing_from_elsewhere(tmp_path: Path, page: str) -> None:
    """No address of another site, and no script or style within the page: the policy would refuse both."""
    async with shown(tmp_path) as one, one.session.get(page) as answer:
        text = await answer.text()
        assert answer.headers["Content-Type"] == "text/html; charset=utf-8"
        assert not re.search(r"https?://|<style|\sstyle=|\son[a-z]+=|<script(?![^>]*\ssrc=)", text)
        for path in re.findall(r'(?:href|src)="(/[^"]*)"', text):
            async with one.session.get(path) as part:
                assert part.status == 200, path
