#!/usr/bin/env bash
# Measures the demo against the document's way of doing it: prints a table, writes results.json and the plots.
set -euo pipefail
unset CDPATH
cd -P -- "$(dirname -- "$0")/.."
./install.sh --no-client --no-profile --dev
venv/bin/python -c 'import matplotlib' 2>/dev/null ||
  venv/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/bench.lock
exec venv/bin/python -m benchmarks "$@"
