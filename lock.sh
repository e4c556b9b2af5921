#!/usr/bin/env bash
# Makes requirements.lock and requirements-dev.lock from what requirements.txt and requirements-dev.txt pin: every
# package for every system, with its hashes.
set -euo pipefail
unset CDPATH
cd -P -- "$(dirname -- "$0")"
export UV_CUSTOM_COMPILE_COMMAND=./lock.sh
lock() {
  venv/bin/uv pip compile --quiet --universal --generate-hashes --python-version 3.11 "$@"
}
lock requirements.txt -o requirements.lock
lock requirements-dev.txt -c requirements.lock -o requirements-dev.lock
