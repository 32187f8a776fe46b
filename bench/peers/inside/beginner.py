"""What a beginner writes: a line, a request. Not part of weatherd; it is here to be measured."""

import json
import sys

import requests

for line in sys.stdin:
    try:
        requests.post(sys.argv[1], json=json.loads(line), timeout=10).raise_for_status()
    except requests.RequestException as error:
        print(error, file=sys.stderr)
