#!/usr/bin/env bash
# Installs what the tests need, then runs the linters and the tests.
set -euo pipefail
self=$0
unset CDPATH
while cd -P -- "$(dirname -- "$self")" && [ -L "${self##*/}" ]; do self=$(readlink "${self##*/}"); done
. scripts/begin.sh

usage() {
  cat <<'HELP'
Usage: ./test.sh [pytest arguments]

Installs requirements/demo.lock and requirements/dev.lock into venv/, finds a Chromium or
installs one, runs ruff, mypy and shellcheck, and then pytest with the arguments
given: ./test.sh -k feed, ./test.sh tests/test_feed.py. It ends at the first
failure. CHROMIUM names the browser to use.
HELP
}

fail() {
  printf 'test.sh: %s\n' "$1" >&2
  exit 1
}

case ${1:-} in
  -h | --help)
    usage
    exit 0
    ;;
esac

readonly bin=venv/bin

./install.sh --no-client --no-profile --dev

# Prints the path of $1 if it runs: Ubuntu's chromium-browser may be a stub that only advises to install a snap.
runs() {
  "$1" --version >/dev/null 2>&1 && command -v "$1"
}

playwright_chromium() {
  "$bin/python" -c '
from playwright.sync_api import sync_playwright

with sync_playwright() as playwright:
    print(playwright.chromium.executable_path)
'
}

find_chromium() {
  local candidate
  for candidate in chromium chromium-browser google-chrome google-chrome-stable \
    "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome"; do
    runs "$candidate" && return
  done
  runs "$(playwright_chromium)"
}

install_chromium() {
  mkdir -p logs
  echo "Installing Chromium; the output is in logs/chromium.log ..."
  : >logs/chromium.log
  if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
    { apt-get update && DEBIAN_FRONTEND=noninteractive apt-get install -y chromium; } >>logs/chromium.log 2>&1 </dev/null || true
    if CHROMIUM=$(find_chromium); then return; fi
  fi
  "$bin/playwright" install chromium >>logs/chromium.log 2>&1 </dev/null || true
  CHROMIUM=$(find_chromium)
}

if [ -n "${CHROMIUM:-}" ]; then
  "$CHROMIUM" --version >/dev/null 2>&1 || fail "CHROMIUM=$CHROMIUM does not run: name a Chromium, or unset it"
elif ! CHROMIUM=$(find_chromium) && ! install_chromium; then
  fail "there is no Chromium and none could be installed (logs/chromium.log says why): install one, or name it with CHROMIUM"
fi
export CHROMIUM

"$bin/ruff" check
"$bin/ruff" format --check
"$bin/mypy"
"$bin/shellcheck" ./*.sh scripts/*.sh .ci/run

# Runs pytest; that it finds no test (5) is no failure as long as the other run has found some.
found=no
run_pytest() {
  local status=0
  "$bin/python" -m pytest "$@" || status=$?
  case $status in
    0) found=yes ;;
    5) ;;
    *) exit "$status" ;;
  esac
}
run_pytest -n 3 --dist loadfile -m "not alone" "$@"
run_pytest -n 2 -m alone "$@"
[ "$found" = yes ] || fail "no test is called that"
