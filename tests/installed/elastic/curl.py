#!/usr/bin/env python3
"""As much of curl as the health checks of compose.yaml use; in the images of Elastic is the real one."""

import sys
import urllib.error
import urllib.request

*options, url = sys.argv[1:]
try:
    with urllib.request.urlopen(url, timeout=5) as answer:
        status = answer.status
except urllib.error.HTTPError as error:
    status = error.code
except OSError:
    sys.exit(7)
if "-w" in options:
    sys.stdout.write(str(status))
sys.exit(22 if "-fs" in options and status >= 400 else 0)
