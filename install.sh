#!/usr/bin/env bash
# Makes venv/ beside this script, installs the locked requirements into it, and fetches TDengine's native client.
set -euo pipefail
self=$0
unset CDPATH
while cd -P -- "$(dirname -- "$self")" && [ -L "${self##*/}" ]; do self=$(readlink "${self##*/}"); done
. scripts/begin.sh

readonly client=3.4.2.8 # the version of docker.sh's image: client and server of the native protocol should agree

usage() {
  cat <<HELP
Usage: ./install.sh [--no-client] [--no-profile] [--dev]

Makes venv/ beside this script and installs requirements/demo.lock into it: what
requirements.txt pins and all that this needs, each package checked by its hash.
A half-made venv/ is made again; what is there already is left alone, and a venv
that is a link is refused. pip's output goes to logs/install.log.

Then it downloads TDengine's native client $client (Linux, x64 and arm64), takes
its driver/ and examples/ to tdengine-client/, and adds that driver/ to
LD_LIBRARY_PATH, in a marked block of ~/.bashrc (or of ~/.bash_profile, where
that is the only one there is).
The demo needs neither, as it speaks WebSocket: both are for taospy's module
taos, which speaks TDengine's native protocol.

  --no-client   do not download the native client
  --no-profile  do not touch ~/.bashrc or ~/.bash_profile
  --dev         also install requirements/dev.lock, as ./test.sh does
  --help        show this

PYTHON names the Python to use (default: python3, or else a python3.11 to
python3.14 on the PATH). It must be 3.11 or newer.
HELP
}

fail() {
  printf 'install.sh: %s\n' "$1" >&2
  exit "${2:-1}"
}

warn() {
  printf 'install.sh: %s\n' "$1" >&2
}

want_client=yes want_profile=yes
files=(requirements/demo.lock)
while [ $# -gt 0 ]; do
  case $1 in
    --no-client) want_client=no ;;
    --no-profile) want_profile=no ;;
    --dev) files=(requirements/demo.lock requirements/dev.lock) ;;
    -h | --help)
      usage
      exit 0
      ;;
    *) fail "unknown option $1: see ./install.sh --help" 2 ;;
  esac
  shift
done

readonly log=logs/install.log aside=logs/venv.before driver=$PWD/tdengine-client/driver
[ ! -L venv ] || fail "venv is a link, and what it leads to is not this script's to change: remove the link (rm venv) and run $0 again"

# Prints the stamp of a finished installation of the requirements file $1, or fails where the venv does not work. The
# stamp has the place of the venv, because a venv that was moved has an activate script that points to the old place.
stamp() {
  venv/bin/python -c '
import hashlib, sys

if sys.version_info < (3, 11):
    sys.exit(1)
import pip
if sys.argv[1] == "requirements/demo.lock":
    import bare, duckdb, google.protobuf, perspective, pyarrow, sqlglot, taosrest, taosws, tornado
with open(sys.argv[1], "rb") as file:
    print(hashlib.sha256(file.read()).hexdigest(), "%d.%d" % sys.version_info[:2], sys.prefix)
' "$1" 2>/dev/null
}

installed() {
  local want
  want=$(stamp "$1") && [ "$want" = "$(cat "venv/.installed-${1##*/}" 2>/dev/null)" ]
}

all_installed() {
  local file
  for file in "${files[@]}"; do
    installed "$file" || return 1
  done
}

# Sets archive to what TDengine's downloads call the client for this system, or to nothing where there is none.
choose_archive() {
  archive=''
  case "$(uname -s) $(uname -m)" in
    "Linux x86_64" | "Linux amd64") archive=tdengine-tsdb-oss-client-$client-linux-x64.tar.gz ;;
    "Linux aarch64" | "Linux arm64") archive=tdengine-tsdb-oss-client-$client-linux-arm64.tar.gz ;;
  esac
}

client_is_there() {
  [ -e "$driver/libtaos.so" ] && [ "$(cat tdengine-client/.version 2>/dev/null)" = "$client" ]
}

python=''
if all_installed; then
  echo "venv/ is up to date"
  rm -rf "$aside" 2>/dev/null || true
  if [ "$want_client$want_profile" = nono ]; then exit 0; fi
  python=venv/bin/python
fi

# Prints the real executable of a Python that is new enough: a version manager's shim may not hand a signal on.
readonly real_executable='
import sys

if sys.version_info < (3, 11):
    sys.exit(1)
print(sys.executable)
'

# Sets python.
choose_python() {
  local candidate old=''
  if [ -n "${PYTHON:-}" ]; then
    "$PYTHON" -c '' 2>/dev/null || fail "PYTHON=$PYTHON does not run: name a Python 3.11 or newer"
    python=$("$PYTHON" -c "$real_executable") || fail "PYTHON=$PYTHON is older than 3.11: name a Python 3.11 or newer"
    return
  fi
  for candidate in python3 python3.13 python3.12 python3.11 python3.14; do
    if python=$("$candidate" -c "$real_executable" 2>/dev/null); then return; fi
    if [ -z "$old" ]; then
      old=$("$candidate" -c 'import platform; print(platform.python_version())' 2>/dev/null) || old=''
    fi
  done
  if [ -n "$old" ]; then
    fail "python3 is Python $old, and 3.11 or newer is needed: install one, or name it: PYTHON=/path/to/python3.12 $0"
  fi
  fail "no python3 found: install Python 3.11 or newer (Debian, Ubuntu: sudo apt install python3 python3-venv; macOS: brew install python)"
}
if ! mkdir -p logs 2>/dev/null || [ ! -w . ] || [ ! -w logs ]; then
  fail "$PWD cannot be written to, where packages and logs have their place: make a clone of your own, or change its owner"
fi
if [ -z "$python" ]; then choose_python; fi

if [ "$python" != venv/bin/python ] && ! "$python" -c 'import ensurepip, venv' 2>/dev/null; then
  fail "$python cannot make a virtual environment: install its venv module (Debian, Ubuntu: sudo apt install python3-venv) and run $0 again"
fi


child='' fetching=no replaced=no
interrupted() {
  if [ -n "$child" ]; then
    kill -KILL -- "-$child" 2>/dev/null || kill -KILL "$child" 2>/dev/null || true
    wait "$child" 2>/dev/null || true
  fi
  if [ -t 1 ]; then printf '\r\033[K'; fi # what show_work has begun
  put_back
  if [ "$fetching" = yes ]; then rm -rf logs/client; fi
  fail "interrupted: run it again to finish" 130
}
trap interrupted INT TERM HUP

# Runs a command in a process group of its own, so that an interruption is prompt and stops pip's own children too. Its
# output goes to descriptor $1. (Redirecting the function instead would send the message of the trap there, too.)
run() {
  local to=$1 status=0
  shift
  set -m
  "$@" </dev/null >&"$to" 2>&1 &
  child=$!
  set +m
  if [ "$to" = 8 ] && [ -t 1 ]; then show_work; fi
  wait "$child" || status=$?
  child=''
  return "$status"
}

# Shows on a terminal that the child is at work: for how long, and at what, as pip says in the log.
show_work() {
  local line begun=$SECONDS
  while kill -0 "$child" 2>/dev/null; do
    line=$(grep -E '^ *(Collecting|Downloading|Installing|Successfully) ' "$log" | tail -n 1) || line=''
    printf '\r%3s s  %s\033[K' "$((SECONDS - begun))" "${line:0:70}"
    sleep 0.2
  done
  printf '\r\033[K'
}

# Two first starts at once must not fill the same venv/. The lock lasts as long as descriptor 9 is open, here or in pip.
exec 9>logs/install.lock
run 1 "$python" -c '
import fcntl, sys, time

for attempt in range(3000):
    try:
        fcntl.flock(9, fcntl.LOCK_EX | fcntl.LOCK_NB)
        sys.exit(0)
    except BlockingIOError:
        if attempt == 0:
            print("Waiting for another install.sh in this directory ...", flush=True)
        time.sleep(0.2)
sys.exit(1)
' || fail "another install.sh has been at work in $PWD for ten minutes: stop it and try again"

# A venv cannot be moved, so a new one is made in the place of the old, which is put aside until the new one is whole.
make_venv() {
  echo "Making venv/ ..."
  if [ -e venv ]; then mv venv "$aside" && replaced=yes; fi
  run 8 "$python" -m venv --without-pip venv || give_up "cannot make venv/: $log says why"
  mark_unfinished requirements/demo.lock
  run 8 venv/bin/python -m ensurepip --upgrade --default-pip || give_up "cannot put pip into venv/: $log says why"
}

# Brings the old venv back that was put aside, if the new one has not become whole.
put_back() {
  [ "$replaced" = yes ] || return 0
  replaced=no
  [ -e "$aside" ] || return 0
  rm -rf venv
  mv "$aside" venv
}

give_up() {
  put_back
  fail "$1"
}

mark_unfinished() {
  echo unfinished >"venv/.installed-${1##*/}"
}

# True where venv/ can be completed in place. One without a stamp is the user's own and is kept; one that was
# interrupted, moved, or has lost its Python or its pip is not worth keeping.
usable() {
  local file place have
  place=$(venv/bin/python -c '
import pip, sys

if sys.version_info < (3, 11):
    sys.exit(1)
print("%d.%d" % sys.version_info[:2], sys.prefix)
' 2>/dev/null) || return 1
  for file in requirements/demo.lock requirements/dev.lock; do
    have=$(cat "venv/.installed-${file##*/}" 2>/dev/null) || continue
    [ "${have#* }" = "$place" ] || return 1
  done
}

# Installs the requirements file $1. Of the caller's settings of pip, in PIP_... and pip.conf, those hold that say how an
# index is reached, and none that say what is installed and where; with "no" in $2, not which index that is either.
run_pip() {
  run 8 venv/bin/python -c '
import ast, os, subprocess, sys

where = "index-url extra-index-url find-links no-index".split()
how = "cache-dir cert client-cert default-timeout keyring-provider no-cache-dir proxy retries timeout trusted-host".split()
pip = [sys.executable, "-m", "pip"]
listed = subprocess.run([*pip, "config", "list"], stdout=subprocess.PIPE, text=True).stdout.splitlines()
env = {name: value for name, value in os.environ.items() if not name.startswith("PIP_")} | {"PIP_CONFIG_FILE": os.devnull}
for line in sorted(listed, key=lambda line: line.startswith(":env:")):
    name, _, value = line.partition("=")
    option = name.rpartition(".")[2]
    if option in how + where * (sys.argv[2] == "yes"):
        env["PIP_" + option.upper().replace("-", "_")] = ast.literal_eval(value)
options = ["--disable-pip-version-check", "--no-input", "--retries", "2", "--require-hashes"]
os.execve(sys.executable, [*pip, "install", *options, "-r", sys.argv[1]], env)
' "$1" "$2"
}

unreachable() {
  grep -qE 'NewConnectionError|NameResolutionError|Failed to establish|ConnectTimeout|[Rr]ead timed out|ProxyError|SSLError|Connection (refused|reset|aborted)|Network is unreachable' "$log"
}

explain_pip() {
  local file=$1 last
  rm -f "venv/.installed-${file##*/}" # pip failed by itself and left the venv sound: complete it in place next time
  if unreachable; then
    give_up "pip cannot reach the package index: check the network (behind a proxy, set HTTPS_PROXY) and run $0 again; pip's output is in $log"
  fi
  last=$(grep '^ERROR: ' "$log" | tail -n 1) || true
  give_up "pip could not install $file (${last:-no reason given}): pip's output is in $log"
}

# Installs what is missing; false where pip succeeds and the packages do not work all the same.
complete() {
  local file want
  for file in "${files[@]}"; do
    installed "$file" && continue
    mark_unfinished "$file"
    echo "Installing $file into venv/, which takes about half a minute ..."
    run_pip "$file" yes || { unreachable && run_pip "$file" no; } || explain_pip "$file"
    install_bare
    want=$(stamp "$file") || return 1
    printf '%s\n' "$want" >"venv/.installed-${file##*/}"
  done
}

# The .pth has each Python of the venv begin with requirements/bare.py.
install_bare() {
  local packages
  for packages in venv/lib/python3*/site-packages; do
    cp requirements/bare.py "$packages/bare.py"
    echo 'import bare' >"$packages/bare.pth"
  done
}

: >"$log"
exec 8>>"$log"
if [ "$python" != venv/bin/python ]; then
  replaced=yes # where an earlier run was killed before its new venv was whole
  put_back
  if ! { usable && complete; }; then
    make_venv
    complete || give_up "the packages are installed but cannot be imported: remove venv/ and run $0 again; pip's output is in $log"
    replaced=no
    rm -rf "$aside"
  fi
  echo "venv/ is ready"
fi

# Downloads $1 to the file $2, with a progress bar where there is somebody to see it. Sets reason where it fails.
download() {
  local status=0
  local options=(--fail --location --proto '=https' --proto-redir '=https' --retry 2 --connect-timeout 15 --speed-limit 1000
    --speed-time 30 --output "$2" "$1")
  if [ -t 2 ]; then
    run 2 curl --progress-bar "${options[@]}" || status=$?
  else
    run 8 curl --silent --show-error "${options[@]}" || status=$?
  fi
  case $status in
    0) return ;;
    18) reason="the connection broke off before the end of $1" ;;
    22) reason="$1 is not to be had" ;;
    127) reason="curl is not installed" ;;
    *) reason="$1 cannot be reached (curl says $status): check the network" ;;
  esac
  return 1
}

# Takes driver/ and examples/ out of the archive $1 into the directory $2, and nothing else: their files, and links to a
# neighbour. Each is made anew here, so that owner and mode are not the archive's. Status 3: an entry is a device, or its
# name leads out of the archive.
unpack() {
  run 8 venv/bin/python -c '
import os, posixpath, shutil, sys, tarfile


def take(tar, entry, path):
    os.makedirs(path if entry.isdir() else os.path.dirname(path), exist_ok=True)
    if entry.isfile() or entry.islnk():
        mode = 0o755 if entry.mode & 0o100 else 0o644
        with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "wb") as file:
            shutil.copyfileobj(tar.extractfile(entry), file)  # of a hard link: the content of what it names in here
    elif entry.issym():
        neighbour = posixpath.normpath(entry.linkname)
        if neighbour not in (".", "..") and "/" not in neighbour:
            os.symlink(neighbour, path)


with tarfile.open(sys.argv[1], "r:gz") as tar:
    for entry in tar:
        known = entry.isfile() or entry.isdir() or entry.issym() or entry.islnk()
        names = [entry.name] + [entry.linkname] * entry.islnk()
        if not known or any(name.startswith("/") or ".." in name.split("/") for name in names):
            print("An entry that no client has:", *map(ascii, names))
            sys.exit(3)
        parts = [part for part in entry.name.split("/") if part not in ("", ".")][1:]
        if parts[:1] in (["driver"], ["examples"]) and (len(parts) > 1 or entry.isdir()):
            take(tar, entry, os.path.join(sys.argv[2], *parts))
' "$1" "$2"
}

# Downloads and unpacks the client in logs/client, and moves it to its place when it is whole. Sets reason where it fails.
fetch_client() {
  local file name status=0 new=logs/client/unpacked
  rm -rf logs/client
  mkdir -p "$new" || return 1
  download "https://downloads.tdengine.com/tdengine-tsdb-oss/$client/$archive" "logs/client/$archive" || return 1
  if [ "$(wc -c <"logs/client/$archive")" -lt 1000000 ]; then
    reason="the download is too small to be the client"
    return 1
  fi
  unpack "logs/client/$archive" "$new" || status=$?
  case $status in
    0) ;;
    3)
      reason="the downloaded archive is not the client: it has entries that no client has ($log names the first)"
      return 1
      ;;
    *)
      reason="the downloaded archive is damaged, or there is no room to unpack it ($log says which)"
      return 1
      ;;
  esac
  if [ ! -s "$new/driver/libtaos.so.$client" ]; then
    reason="the downloaded archive has no driver/libtaos.so.$client"
    return 1
  fi
  for file in "$new/driver/"*.so.[0-9]*; do
    name=${file##*/}
    ln -sf -- "$name" "$new/driver/${name%%.so.*}.so"
  done
  echo "$client" >"$new/.version"
  if [ -e tdengine-client ]; then mv tdengine-client logs/client/old; fi
  mv "$new" tdengine-client
}

install_client() {
  local archive reason='logs/ cannot be written'
  choose_archive
  if [ -z "$archive" ]; then
    echo "No native client for $(uname -s) $(uname -m): the demo needs none, as it speaks WebSocket"
  elif client_is_there; then
    echo "tdengine-client/ is up to date"
  elif [ -L tdengine-client ]; then
    warn "no native client $client, as tdengine-client is a link, and is left as it is. To get it, remove the link and run $0 again"
  else
    echo "Downloading TDengine's native client $client ..."
    fetching=yes
    if fetch_client; then
      echo "tdengine-client/ is ready"
    else
      warn "no native client, as $reason. The demo does not need it; taospy's native module (import taos) does: run $0 again to get it"
    fi
    rm -rf logs/client
    fetching=no
  fi
}

# Puts the line $1 into a block of its own in the user's profile, in the place of the block that is there.
edit_profile() {
  venv/bin/python -c '
import os, re, shutil, sys

begin, end = "# >>> TDengine client (install.sh) >>>", "# <<< TDengine client (install.sh) <<<"
block = f"{begin}\n{sys.argv[1]}\n{end}\n"


def read(path):
    with open(path, errors="surrogateescape", newline="") as file:
        return file.read()


home = os.environ.get("HOME") or os.path.expanduser("~")
paths = [os.path.join(home, name) for name in (".bashrc", ".bash_profile")]
try:
    found = [path for path in paths if os.path.exists(path)]
    path = ([path for path in found if begin in read(path)] or found or paths)[0]
    before = read(path) if found else ""
    after, blocks = re.subn(f"{re.escape(begin)}.*?{re.escape(end)}\n?", lambda _: block, before, count=1, flags=re.S)
    if not blocks:
        after = before + "\n" * (not before.endswith("\n")) * bool(before) + block
    if after == before:
        sys.exit()
    target = os.path.realpath(path)
    with open(target + ".new", "w", errors="surrogateescape", newline="") as file:
        file.write(after)
    if found:
        shutil.copymode(target, target + ".new")
    os.replace(target + ".new", target)
except OSError as error:
    print(f"{error.filename}: {error.strerror}")
    sys.exit(1)
print("Added tdengine-client/driver to LD_LIBRARY_PATH in", path, "(new terminals have it)")
' "$1"
}

# Says what works: the packages, and the native client where it is there.
prove() {
  local said
  venv/bin/python -c '
import platform
from importlib.metadata import version

import perspective, taosws, tornado

packages = ", ".join(f"{name} {version(name)}" for name in ("taos-ws-py", "perspective-python", "tornado"))
print(f"Works: {packages} (Python {platform.python_version()})")
' || fail "the packages in venv/ cannot be imported: remove venv/ and run $0 again"
  [ -e "$driver/libtaos.so" ] || return 0
  if said=$(LD_LIBRARY_PATH="$driver${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}" venv/bin/python -c '
import taos
from taos.cinterface import taos_get_client_info

print(f"taospy {taos.__version__} with the native client {taos_get_client_info()}")
' 2>&1); then
    echo "Works: $said"
  else
    warn "the native client does not load (${said##*$'\n'}): the demo does not need it; remove tdengine-client/ and run $0 again"
  fi
}

if [ "$want_client" = yes ]; then install_client; fi
if [ "$want_profile" = yes ] && [ -e "$driver/libtaos.so" ]; then
  line="export LD_LIBRARY_PATH=\"\${LD_LIBRARY_PATH:+\$LD_LIBRARY_PATH:}\"$(printf %q "$driver")"
  if said=$(edit_profile "$line"); then
    [ -z "$said" ] || echo "$said"
  else
    warn "cannot change a profile ($said): add this line to yours: $line"
  fi
fi
prove
