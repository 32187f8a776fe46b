#!/bin/bash
# Start a program with its passwords in its environment, where `docker inspect` and the list of processes do not show
# them: each file of /run/passwords becomes a variable, "station" for instance STATION_PASSWORD.
set -euo pipefail
for file in /run/passwords/*; do
    name=$(basename "$file")
    export "${name^^}_PASSWORD=$(<"$file")"
done
exec "$@"
