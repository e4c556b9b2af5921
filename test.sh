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
       ./test.sh --all-pythons [pytest arguments]
       ./test.sh --system-python

Installs requirements/demo.lock and requirements/dev.lock into venv/, finds a Chromium or
installs one, runs ruff, mypy and shellcheck, and then pytest with the arguments
given: ./test.sh -k feed, ./test.sh tests/test_feed.py. It ends at the first
failure. CHROMIUM names the browser to use.

  --all-pythons    instead, run pytest without a browser on each Python from 3.11
                   to 3.14 that there is here, the system's and pyenv's, each with
                   a venv of its own in logs/pythons/, and say how each has ended
  --system-python  instead, run what is fast on the system's Python, where that is
                   another one than venv/ has
HELP
}

fail() {
  printf 'test.sh: %s\n' "$1" >&2
  exit 1
}

which=venv
case ${1:-} in
  -h | --help)
    usage
    exit 0
    ;;
  --all-pythons | --system-python)
    which=${1#--}
    shift
    ;;
esac

readonly bin=venv/bin

./install.sh --no-client --no-profile --dev

# Prints version and path of each Python from 3.11 to 3.14 among the system's, pyenv's and those on the PATH, once each.
find_pythons() {
  local candidate
  { type -ap python3 python3.11 python3.12 python3.13 python3.14 || true; ls -d "${PYENV_ROOT:-${HOME:-}/.pyenv}"/versions/3.*/bin/python || true; } 2>/dev/null | while read -r candidate; do
    "$candidate" -c '
import platform, sys

if (3, 11) <= sys.version_info < (3, 15):
    print(platform.python_version(), sys.executable)
' </dev/null 2>/dev/null || true
  done | sort -u -k 1,1
}

# Makes the venv $2 for the Python $1. One of the version that venv/ has takes its packages from there.
make_venv() {
  local packages
  if [ "$("$1" -c 'import sys; print(sys.version_info[:2])')" = "$("$bin/python" -c 'import sys; print(sys.version_info[:2])')" ]; then
    "$1" -m venv --clear --without-pip "$2"
    for packages in "$2"/lib/python*/site-packages; do
      printf '%s\n' "$PWD"/venv/lib/python*/site-packages >"$packages/venv.pth"
      cp requirements/bare.py "$packages"
      echo 'import bare' >"$packages/bare.pth"
    done
  else
    "$1" -m venv --clear "$2"
    "$2/bin/python" -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/demo.lock -r requirements/dev.lock
  fi
}

# What is fast and may depend on the Python: regular expressions, numbers, times.
readonly fast=(tests/embedded/test_embedded_bulk.py tests/embedded/test_embedded_sql.py tests/embedded/test_embedded_types.py
  tests/tdengine/test_tdengine.py tests/producing/test_ticks.py)

if [ "$which" != venv ]; then
  export CHROMIUM=none
  mkdir -p logs/pythons
  own=$("$bin/python" -c 'import platform; print(platform.python_version())') ended=() status=0 found=no
  while read -r version python; do
    if [ "$which" = system-python ]; then
      case $python in /usr/bin/*) ;; *) continue ;; esac
      [ "$version" != "$own" ] || continue
      set -- "${fast[@]}"
    fi
    found=yes
    echo "Python $version ($python):"
    if ! make_venv "$python" "logs/pythons/$version" </dev/null; then
      ended+=("$version: no venv could be made")
      [ "$which" = system-python ] || status=1
      continue
    fi
    if "logs/pythons/$version/bin/python" -m pytest -q -n 3 --dist loadfile "$@" </dev/null; then
      ended+=("$version: passed")
    else
      ended+=("$version: failed")
      status=1
    fi
  done <<<"$(find_pythons)"
  [ "$found" = yes ] || ended=("of the system: none but that of venv/")
  printf 'Python %s\n' "${ended[@]}"
  exit "$status"
fi

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
