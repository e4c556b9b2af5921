#!/usr/bin/env bash
# Makes requirements*.lock from what requirements*.txt pin: every package for every system, with its hashes.
set -euo pipefail
unset CDPATH
cd -P -- "$(dirname -- "$0")"
export UV_CUSTOM_COMPILE_COMMAND=./lock.sh
lock() {
  venv/bin/uv pip compile --quiet --universal --generate-hashes --python-version 3.11 "$@"
}
lock requirements.txt -o requirements.lock
lock requirements-dev.txt -c requirements.lock -o requirements-dev.lock
lock requirements-bench.txt -c requirements.lock -c requirements-dev.lock -o requirements-bench.lock
