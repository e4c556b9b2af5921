#!/usr/bin/env bash
# Runs the whole demo: a TDengine, the producer that fills it and the Perspective server that shows it.
set -euo pipefail
self=$0
unset CDPATH
while cd -P -- "$(dirname -- "$self")" && [ -L "${self##*/}" ]; do self=$(readlink "${self##*/}"); done
. scripts/begin.sh

usage() {
  cat <<'HELP'
Usage: ./run.sh [--docker] [--no-browser] [--port 8080]

Installs what is missing (./install.sh), finds or starts a TDengine, starts
producer.py and perspective_server.py, waits until rows flow and opens the page
in a browser. Ctrl-C stops all that it started. Logs go to logs/<port>/.

  --docker       where no TDengine answers, start one with ./docker.sh
                 (without it: the embedded server, python -m embedded)
  --no-browser   print the address only
  --port N       the port of the page (8080)
  --help         show this

The TDengine is looked for at TAOS_HOST:TAOS_PORT (localhost:6041). One that
answers is used and left running. To run two copies, give each its own ports:
TAOS_PORT=6141 ./run.sh --port 8180
HELP
}

fail() {
  printf 'run.sh: %s\n' "$1" >&2
  exit "${2:-1}"
}

is_port() {
  [[ $1 =~ ^[1-9][0-9]{0,4}$ ]] && [ "$1" -le 65535 ]
}

docker=no browser=yes port=8080
while [ $# -gt 0 ]; do
  case $1 in
    --docker) docker=yes ;;
    --no-browser) browser=no ;;
    --port)
      [ $# -gt 1 ] || fail "--port needs a number: see ./run.sh --help" 2
      port=$2
      shift
      ;;
    --port=*) port=${1#*=} ;;
    -h | --help)
      usage
      exit 0
      ;;
    *) fail "unknown option $1: see ./run.sh --help" 2 ;;
  esac
  shift
done
is_port "$port" || fail "--port takes a number from 1 to 65535, not '$port'" 2

export TAOS_HOST=${TAOS_HOST:-localhost} TAOS_PORT=${TAOS_PORT:-6041}
is_port "$TAOS_PORT" || fail "TAOS_PORT is a number from 1 to 65535, not '$TAOS_PORT'"
at=$TAOS_HOST:$TAOS_PORT
case $TAOS_HOST in
  *,*) here='' ;; # several of a cluster's
  [Ll][Oo][Cc][Aa][Ll][Hh][Oo][Ss][Tt]) here=127.0.0.1 ;;
  127.*) here=$TAOS_HOST ;;
  ::1 | "[::1]") here=::1 at="[::1]:$TAOS_PORT" ;;
  *) here='' ;; # another machine: nothing to start there
esac
[ -z "$here" ] || [ "$port" != "$TAOS_PORT" ] ||
  fail "port $port is TDengine's (TAOS_PORT): choose another one for the page with --port" 2

readonly python=venv/bin/python logs=logs/$port
export PYTHONUNBUFFERED=1 # so that the log of a part that dies is whole

names=() pids=()
step='' watchdog='' container=no live=no

# Sends signal $1 to all parts but $2. Every part is the leader of a process group of its own, so this reaches the
# processes that it started, too.
signal_parts() {
  local i
  for ((i = 0; i < ${#pids[@]}; i++)); do
    [ "${names[i]}" != "${2:-}" ] || continue
    kill "-$1" -- "-${pids[i]}" 2>/dev/null || true
  done
}

# True while a part runs, $1 left aside.
parts_run() {
  local i
  for ((i = 0; i < ${#pids[@]}; i++)); do
    [ "${names[i]}" != "${1:-}" ] || continue
    if kill -0 -- "-${pids[i]}" 2>/dev/null; then return 0; fi
  done
  return 1
}

# Waits $1 tenths of a second for the parts to end, $2 left aside.
wait_for_parts() {
  local tries
  for ((tries = 0; tries < $1; tries++)); do
    parts_run "${2:-}" || return 0
    sleep 0.1
  done
}

stop() {
  trap '' INT TERM HUP PIPE
  trap - EXIT
  set +e
  if [ -n "$step" ]; then
    kill -TERM "$step" 2>/dev/null
    wait "$step" 2>/dev/null
  fi
  signal_parts TERM embedded # which goes last, so that the producer's last batch is still confirmed
  wait_for_parts 10 embedded
  signal_parts TERM
  wait_for_parts 20
  signal_parts KILL
  wait_for_parts 10
  if [ "$container" = yes ]; then ./docker.sh --stop; fi
  if [ -n "$watchdog" ]; then kill -KILL "$watchdog" 2>/dev/null; fi
}

trap 'status=$?; stop; exit "$status"' EXIT

interrupted() {
  stop
  echo "run.sh: stopped" 2>/dev/null || true
  if [ "$live" = yes ]; then exit 0; fi
  exit "$1"
}
trap 'interrupted 130' INT
trap 'interrupted 143' TERM
trap 'interrupted 129' HUP
trap 'exit 141' PIPE

# Runs another script so that a signal ends both at once, and not only after a long download.
run_step() {
  local status=0
  "$@" &
  step=$!
  wait "$step" || status=$?
  step=''
  return "$status"
}

run_step ./install.sh --no-client --no-profile || exit 1

# Asks the network with the venv's Python: curl may be missing, and bash's own connections have no time limit.
# Asks again and again, until the answer is "yes" or "live", but for $1 seconds at most.
#   start PORT HOST PORT prints why localhost's first PORT cannot be used, or nothing; then a line about the TDengine
#   tdengine HOST PORT   prints "yes", "no: <reason>" where nothing can be reached, or "other" where it is not TDengine
#   status PORT          prints "live", or what the server says instead
# Ctrl-C ends it without a word; while Python starts, when that would say much, it is not heard.
ask() (
  trap '' INT
  exec "$python" -c '
import signal

signal.signal(signal.SIGINT, signal.SIG_DFL)

import base64, http.client, json, socket, sys, time
from os import environ


def request(host, port, method, path, body=None, headers={}):
    connection = http.client.HTTPConnection(host, port, timeout=3)
    connection.request(method, path, body, headers)
    response = connection.getresponse()
    return response, response.read(100_000)


def free(port):
    try:
        socket.create_connection(("localhost", port), timeout=1).close()
        return "taken"
    except OSError:
        pass
    with socket.socket() as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind(("127.0.0.1", port))
        except PermissionError:
            return "not for ordinary users"
        except OSError:
            return "taken"
    return ""


def tdengine(hosts, port):
    answers = [one_tdengine(host.strip().strip("[]"), port) for host in hosts.split(",") if host.strip()]
    return "yes" if "yes" in answers else answers[0] if answers else "no: this names no host"


def one_tdengine(host, port):
    try:
        socket.create_connection((host, port), timeout=3).close()
    except (socket.gaierror, UnicodeError):
        return "no: the name has no address"
    except OSError as error:
        return f"no: {error.strerror or error}"
    user, password = environ.get("TAOS_USER") or "root", environ.get("TAOS_PASSWORD") or "taosdata"
    login = {"Authorization": "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()}
    try:
        response, body = request(host, port, "POST", "/rest/sql", "show databases", login)
        if "code" in json.loads(body):
            return "yes"
    except (OSError, http.client.HTTPException, ValueError, TypeError):
        pass
    try:
        response, body = request(host, port, "GET", "/-/ping")
        if response.status == 200 and "html" not in response.headers.get("Content-Type", ""):
            return "yes"
    except (OSError, http.client.HTTPException):
        pass
    return "other"


def status(port):
    try:
        token = environ.get("PSP_TOKEN", "").encode()
        login = {"Authorization": b"Bearer " + token} if token else {}
        answer = json.loads(request("127.0.0.1", port, "GET", "/status", headers=login)[1])
        if answer["state"] == "live" and answer["rows"] > 0:
            return "live"
        return answer["error"] or "no rows yet"
    except (OSError, http.client.HTTPException, ValueError, LookupError, TypeError):
        return "the server does not answer"


def start(page, host, port):
    return free(int(page)) + "\n" + tdengine(host, port)


question = {"start": start, "tdengine": tdengine, "status": status}[sys.argv[2]]
end = time.monotonic() + float(sys.argv[1])
while (answer := question(*sys.argv[3:-1], int(sys.argv[-1]))) not in ("yes", "live") and time.monotonic() < end:
    time.sleep(0.05)
print(answer)
' "$@"
)

answer=$(ask 0 start "$port" "$TAOS_HOST" "$TAOS_PORT")
reason=${answer%%$'\n'*} answer=${answer#*$'\n'}
[ -z "$reason" ] || fail "port $port is $reason: choose another one, for instance ./run.sh --port 8180"

case $answer in
  yes) ;;
  no:*)
    [ -n "$here" ] || fail "no TDengine at $at (${answer#no: }): check TAOS_HOST, start it, or unset TAOS_HOST to use this machine"
    ;;
  *)
    # The port of a container that is still starting is open and silent: docker.sh will see.
    [ "$docker" = yes ] && [ -n "$here" ] ||
      fail "what listens at $at is not TDengine: stop it, or choose another port: TAOS_PORT=6141 ./run.sh"
    ;;
esac

{ mkdir -p "$logs" && : >"$logs/pids"; } 2>/dev/null ||
  fail "$PWD/$logs cannot be written to, where logs have their place: make a clone of your own, or change its owner"

# Where this script is killed outright and no trap runs, the watchdog ends the parts.
set -m
"$python" -c '
import os, signal, sys, time

while os.getppid() == int(sys.argv[1]):
    time.sleep(0.2)
with open(sys.argv[2]) as file:
    for line in file:
        try:
            os.killpg(int(line), signal.SIGKILL)
        except ProcessLookupError:
            pass
' "$$" "$logs/pids" </dev/null >/dev/null 2>&1 &
watchdog=$!
set +m
disown "$watchdog" 2>/dev/null || true # bash is not to comment on its end, nor on a part's

start() {
  local name=$1
  shift
  set -m # a process group of its own
  "$python" "$@" </dev/null >"$logs/$name.log" 2>&1 &
  set +m
  echo "$!" >>"$logs/pids"
  names+=("$name") pids+=("$!")
  disown "$!" 2>/dev/null || true
}

check_parts() {
  local i
  for ((i = 0; i < ${#pids[@]}; i++)); do
    if ! kill -0 "${pids[i]}" 2>/dev/null; then
      printf 'run.sh: %s ended, so the rest is stopped. The end of %s:\n' "${names[i]}" "$logs/${names[i]}.log" >&2
      tail -n 20 "$logs/${names[i]}.log" >&2
      exit 1
    fi
  done
}

if [ "$answer" = yes ]; then
  echo "TDengine: the one that answers at $at"
elif [ "$docker" = yes ]; then
  container=yes
  run_step ./docker.sh || {
    container=no
    exit 1
  }
else
  echo "TDengine: the embedded server at $at (not a database to keep data in)"
  start embedded -m embedded --address "$here" --port "$TAOS_PORT"
  SECONDS=0
  until [ "$(ask 0.5 tdengine "$TAOS_HOST" "$TAOS_PORT")" = yes ]; do
    check_parts
    [ "$SECONDS" -lt 20 ] || fail "the embedded server does not answer after 20 s: see $logs/embedded.log"
  done
fi

start producer producer.py
start perspective_server perspective_server.py --port "$port"
SECONDS=0
until state=$(ask 0.5 status "$port") && [ "$state" = live ]; do
  check_parts
  [ "$SECONDS" -lt 60 ] || fail "no rows on the page after 60 s ($state): see the logs in $logs/"
  if [ "$SECONDS" -ge 8 ]; then sleep 1; fi
done
check_parts

# Bash forgets a Ctrl-C that comes while it begins, or waits for, a command that ends by itself. A silent pipe is none.
readonly pipe=$logs/pipe
nap() { sleep 0.2; }
if rm -f "$pipe" && mkfifo "$pipe" 2>/dev/null; then
  exec 9<>"$pipe"
  rm -f "$pipe"
  if [ "${BASH_VERSINFO[0]}" -ge 4 ]; then readonly seconds=0.2; else readonly seconds=1; fi
  nap() { read -r -t "$seconds" -u 9 || true; }
fi
live=yes

readonly address=http://localhost:$port
printf 'const runningAt = "%s/";\n' "$address" >logs/server.js # for index.html, where that is opened from disk
# shellcheck disable=SC2016 # The token is no secret that a log should have.
echo "Live at $address${PSP_TOKEN:+/?token=\$PSP_TOKEN} (Ctrl-C stops it; logs in $logs/)"
if [ "$browser" = yes ]; then
  opener=''
  if [[ ${OSTYPE:-} = darwin* ]]; then
    opener=open
  elif [ -n "${DISPLAY:-}${WAYLAND_DISPLAY:-}" ] && command -v xdg-open >/dev/null; then
    opener=xdg-open
  fi
  if [ -n "$opener" ]; then
    "$opener" "$address" </dev/null >/dev/null 2>&1 9<&- &
    disown "$!" 2>/dev/null || true
  fi
fi

while :; do
  check_parts
  nap
done
