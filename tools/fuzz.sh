#!/bin/sh
# Shows the readers of files damaged ones, those of the runtime under the sanitizers: tools/fuzz.sh [SECONDS] (default 60 each
# target). Prints how many inputs were shown in which time; stops at the first finding, which it leaves in build/sanitize.
set -eu
root=$(cd "$(dirname "$0")/.." && pwd)
cd "$root"
seconds=${1:-60}
sh tools/sanitize.sh fuzz
for seeds in tests/fuzz/seeds/*; do
  target=$(basename "$seeds")
  build/sanitize/fuzz "$target" "$seeds" --seconds "$seconds" --random "${RANDOM_SEED:-$(date +%s)}" \
    --most-bytes 16384 --crash "build/sanitize/crash-$target"
done
.venv/bin/python -m tests.fuzz.files --seconds "$seconds"
