import hashlib
import re
from pathlib import Path

FOLDERS = (Path("weatherd/panel/page/vendor"), Path("tests/panel/vendor"))
TABLE = FOLDERS[0] / "VENDORED.md"


def test_what_is_not_ours_is_what_the_table_says() -> None:
    """Each file that others made is named with version, licence and checksum, and is unchanged."""
    row = re.compile(r"\| `(\S+)` \| \S+ \| \d\S+ \| (?:MIT|MPL-2\.0) \| `([0-9a-f]{64})` \|")
    told = dict(row.findall(TABLE.read_text()))
    found = {
        str(path): hashlib.sha256(path.read_bytes()).hexdigest()
        for folder in FOLDERS
        for path in folder.iterdir()
        if path != TABLE
    }
    assert told == found
