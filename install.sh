#!/usr/bin/env bash
# Makes venv/ beside this script and installs the locked requirements into it.
set -euo pipefail

usage() {
  cat <<'HELP'
Usage: ./install.sh [--no-client] [--no-profile] [--dev]

Makes venv/ beside this script and installs requirements.lock into it: what
requirements.txt pins and all that this needs, each package checked by its hash.
When everything is there already it says so within a second; a half-made venv/
is made again. pip's output goes to logs/install.log.

  --no-client   do not download TDengine's native client
  --no-profile  do not touch ~/.bashrc or ~/.bash_profile
  --dev         also install requirements-dev.lock, as ./test.sh does
  --help        show this

Neither the native client nor a profile is touched yet, with or without these
options: the demo speaks WebSocket to TDengine and needs no native client.

PYTHON names the Python to use (default: python3, or else a python3.11 to
python3.14 on the PATH). It must be 3.11 or newer.
HELP
}

fail() {
  printf 'install.sh: %s\n' "$1" >&2
  exit "${2:-1}"
}

files=(requirements.lock)
while [ $# -gt 0 ]; do
  case $1 in
    --no-client | --no-profile) ;;
    --dev) files=(requirements.lock requirements-dev.lock) ;;
    -h | --help)
      usage
      exit 0
      ;;
    *) fail "unknown option $1: see ./install.sh --help" 2 ;;
  esac
  shift
done

unset CDPATH
cd -P -- "$(dirname -- "$0")"
readonly log=logs/install.log

# Prints the stamp of a finished installation of the requirements file $1, or fails where the venv does not work. The
# stamp has the place of the venv, because a venv that was moved has an activate script that points to the old place.
stamp() {
  venv/bin/python -c '
import hashlib, sys

if sys.version_info < (3, 11):
    sys.exit(1)
import pip
if sys.argv[1] == "requirements.lock":
    import duckdb, google.protobuf, perspective, pyarrow, sqlglot, taosrest, taosws, tornado
with open(sys.argv[1], "rb") as file:
    print(hashlib.sha256(file.read()).hexdigest(), "%d.%d" % sys.version_info[:2], sys.prefix)
' "$1" 2>/dev/null
}

installed() {
  local want
  want=$(stamp "$1") && [ "$want" = "$(cat "venv/.installed-$1" 2>/dev/null)" ]
}

all_installed() {
  local file
  for file in "${files[@]}"; do
    installed "$file" || return 1
  done
}

if all_installed; then
  echo "venv/ is up to date"
  exit 0
fi

readonly is_new_enough='import sys; sys.exit(sys.version_info < (3, 11))'

# Sets python to the real executable: a version manager's shim may not hand a signal on to what it runs.
choose_python() {
  local candidate old=''
  if [ -n "${PYTHON:-}" ]; then
    "$PYTHON" -c '' 2>/dev/null || fail "PYTHON=$PYTHON does not run: name a Python 3.11 or newer"
    "$PYTHON" -c "$is_new_enough" || fail "PYTHON=$PYTHON is older than 3.11: name a Python 3.11 or newer"
    python=$("$PYTHON" -c 'import sys; print(sys.executable)')
    return
  fi
  for candidate in python3 python3.13 python3.12 python3.11 python3.14; do
    if "$candidate" -c "$is_new_enough" 2>/dev/null; then
      python=$("$candidate" -c 'import sys; print(sys.executable)')
      return
    fi
    if [ -z "$old" ]; then
      old=$("$candidate" -c 'import platform; print(platform.python_version())' 2>/dev/null) || old=''
    fi
  done
  if [ -n "$old" ]; then
    fail "python3 is Python $old, and 3.11 or newer is needed: install one, or name it: PYTHON=/path/to/python3.12 $0"
  fi
  fail "no python3 found: install Python 3.11 or newer (Debian, Ubuntu: sudo apt install python3 python3-venv; macOS: brew install python)"
}
choose_python

if ! "$python" -c 'import ensurepip, venv' 2>/dev/null; then
  fail "$python cannot make a virtual environment: install its venv module (Debian, Ubuntu: sudo apt install python3-venv) and run $0 again"
fi

mkdir -p logs || fail "cannot make the directory $PWD/logs: check its owner and permissions"

child=''
interrupted() {
  if [ -n "$child" ]; then
    kill -KILL -- "-$child" 2>/dev/null || kill -KILL "$child" 2>/dev/null || true
    wait "$child" 2>/dev/null || true
  fi
  fail "interrupted: run it again to finish venv/" 130
}
trap interrupted INT TERM HUP

# Runs a command in a process group of its own, so that an interruption is prompt and stops pip's own children too. Its
# output goes to descriptor $1. (Redirecting the function instead would send the message of the trap there, too.)
run() {
  local to=$1 status=0
  shift
  "$python" -c 'import os, sys; os.setpgid(0, 0); os.execvp(sys.argv[1], sys.argv[1:])' "$@" </dev/null >&"$to" 2>&1 &
  child=$!
  wait "$child" || status=$?
  child=''
  return "$status"
}

# Two first starts at once must not fill the same venv/. The lock lasts as long as descriptor 9 is open, here or in pip.
exec 9>logs/install.lock
run 1 "$python" -c '
import fcntl, sys, time

for second in range(600):
    try:
        fcntl.flock(9, fcntl.LOCK_EX | fcntl.LOCK_NB)
        sys.exit(0)
    except BlockingIOError:
        if second == 0:
            print("Waiting for another install.sh in this directory ...", flush=True)
        time.sleep(1)
sys.exit(1)
' || fail "another install.sh has been at work in $PWD for ten minutes: stop it and try again"

make_venv() {
  echo "Making venv/ ..."
  run 8 "$python" -m venv --clear --without-pip venv || fail "cannot make venv/: $log says why"
  mark_unfinished requirements.lock
  run 8 venv/bin/python -m ensurepip --upgrade --default-pip || fail "cannot put pip into venv/: $log says why"
}

mark_unfinished() {
  echo unfinished >"venv/.installed-$1"
}

# True where venv/ can be completed in place. One without a stamp is the user's own and is kept; one that was
# interrupted, moved, or has lost its Python or its pip is not worth keeping.
usable() {
  local file place have
  place=$(venv/bin/python -c 'import pip, sys; print("%d.%d" % sys.version_info[:2], sys.prefix)' 2>/dev/null) || return 1
  venv/bin/python -c "$is_new_enough" || return 1
  for file in requirements.lock requirements-dev.lock; do
    have=$(cat "venv/.installed-$file" 2>/dev/null) || continue
    [ "${have#* }" = "$place" ] || return 1
  done
}

explain_pip() {
  local file=$1 last
  rm -f "venv/.installed-$file" # pip failed by itself and left the venv sound: complete it in place next time
  if grep -qE 'NewConnectionError|NameResolutionError|Failed to establish|ConnectTimeout|[Rr]ead timed out|ProxyError|SSLError|Connection (refused|reset|aborted)|Network is unreachable' "$log"; then
    fail "pip cannot reach the package index: check the network (behind a proxy, set HTTPS_PROXY) and run $0 again; pip's output is in $log"
  fi
  last=$(grep '^ERROR: ' "$log" | tail -n 1) || true
  fail "pip could not install $file (${last:-no reason given}): pip's output is in $log"
}

# Installs what is missing; false where pip succeeds and the packages do not work all the same.
complete() {
  local file want
  for file in "${files[@]}"; do
    installed "$file" && continue
    mark_unfinished "$file"
    echo "Installing $file into venv/, which takes about half a minute ..."
    run 8 venv/bin/python -m pip install --disable-pip-version-check --no-input --retries 2 --require-hashes -r "$file" || explain_pip "$file"
    want=$(stamp "$file") || return 1
    printf '%s\n' "$want" >"venv/.installed-$file"
  done
}

: >"$log"
exec 8>>"$log"
if ! { usable && complete; }; then
  make_venv
  complete || fail "the packages are installed but cannot be imported: remove venv/ and run $0 again; pip's output is in $log"
fi
echo "venv/ is ready"
