#!/usr/bin/env bash
# Makes the locks of what requirements.txt and the files here pin: every package for every system, with its hashes.
set -euo pipefail
unset CDPATH
cd -P -- "$(dirname -- "$0")/.."
export UV_CUSTOM_COMPILE_COMMAND=requirements/lock.sh
lock() {
  ../venv/bin/uv pip compile --quiet --universal --generate-hashes --python-version 3.11 "$@"
}
cd requirements
lock ../requirements.txt -o demo.lock
lock dev.txt -c demo.lock -o dev.lock
lock bench.txt -c demo.lock -c dev.lock -o bench.lock
