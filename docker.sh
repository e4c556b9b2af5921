#!/usr/bin/env bash
# Starts TDengine in a Docker container and waits until it answers.
set -euo pipefail
self=$0
unset CDPATH
while cd -P -- "$(dirname -- "$self")" && [ -L "${self##*/}" ]; do self=$(readlink "${self##*/}"); done
. scripts/begin.sh

readonly image=${TAOS_IMAGE:-tdengine/tsdb:3.4.2.8} name=prsp-tdengine volume=prsp-tdengine-data
readonly without="; ./run.sh works without Docker" no_error='"code": ?0[,}]'

usage() {
  cat <<HELP
Usage: ./docker.sh [--no-pull] [--timeout 120] [--benchmark [-t 100] [-n 1000] [-y]]
       ./docker.sh --stop [--remove-data [-y]]

Starts TDengine ($image) as the container $name and waits until
it answers SQL. A running container is used as it is, a stopped one is started
again. Its ports 6041 and 6030 are open to this machine only; its data is in the
Docker volume $volume and outlives the container.

  --no-pull      use the image that is here already
  --timeout N    wait this many seconds for TDengine to answer (120)
  --benchmark    run taosBenchmark in the container: it fills the super table
                 meters of the database test, one row a second until now
  -t N, -n N     with so many child tables (100) of so many rows (1000)
  --stop         stop the container; its data stays
  --remove-data  with --stop: delete the container and its data
  -y             do not ask before a database or the data is deleted
  --help         show this

TAOS_IMAGE names another image, TAOS_PORT another port than 6041 on this side,
for a container that is new.
HELP
}

fail() {
  printf 'docker.sh: %s\n' "$1" >&2
  exit "${2:-1}"
}

is_count() {
  [[ $1 =~ ^[1-9][0-9]{0,7}$ ]]
}

pull=yes stop=no remove=no benchmark=no sure=no timeout=120 tables='' rows=''
while [ $# -gt 0 ]; do
  case $1 in
    --no-pull) pull=no ;;
    --stop) stop=yes ;;
    --remove-data) remove=yes ;;
    --benchmark) benchmark=yes ;;
    -y) sure=yes ;;
    --timeout | -t | -n)
      [ $# -gt 1 ] || fail "$1 needs a number: see ./docker.sh --help" 2
      case $1 in
        --timeout) timeout=$2 ;;
        -t) tables=$2 ;;
        -n) rows=$2 ;;
      esac
      shift
      ;;
    --timeout=*) timeout=${1#*=} ;;
    -h | --help)
      usage
      exit 0
      ;;
    *) fail "unknown option $1: see ./docker.sh --help" 2 ;;
  esac
  shift
done
is_count "$timeout" || fail "--timeout takes a number of seconds, not '$timeout'" 2
is_count "${tables:-1}" || fail "-t takes a number of tables, not '$tables'" 2
is_count "${rows:-1}" || fail "-n takes a number of rows, not '$rows'" 2
[ "$benchmark" = yes ] || [ -z "$tables$rows" ] || fail "-t and -n go with --benchmark" 2
[ "$stop" = yes ] || [ "$remove" = no ] || fail "--remove-data goes with --stop" 2
[ "$stop" = no ] || [ "$benchmark" = no ] || fail "--benchmark and --stop do not go together" 2
readonly port=${TAOS_PORT:-6041}
[[ $port =~ ^[1-9][0-9]{0,4}$ ]] || fail "TAOS_PORT is a port number, not '$port'"
[[ $image != -* ]] || fail "TAOS_IMAGE is the name of an image, not '$image'"
[ "$benchmark" = no ] || [ "${TAOS_USER:-root}:${TAOS_PASSWORD:-taosdata}" = root:taosdata ] ||
  fail "taosBenchmark takes a password on its command line only, where others can read it: unset TAOS_USER and TAOS_PASSWORD"


command -v docker >/dev/null || fail "Docker is not installed: see https://docs.docker.com/get-docker/$without"
if ! error=$(docker version --format '{{.Server.Version}}' 2>&1); then
  case $error in
    *[Pp]ermission\ denied*) fail "you may not use Docker: run 'sudo usermod -aG docker $(id -un)' and log in again$without" ;;
    *) fail "Docker's daemon does not answer: start Docker (Desktop, or 'sudo systemctl start docker')$without" ;;
  esac
fi

state_of_container() {
  docker container inspect --format '{{.State.Status}}' "$name" 2>/dev/null || echo missing
}

# Asks the question $1, unless -y has answered it. No answer is a no.
agreed() {
  local answer=''
  [ "$sure" = no ] || return 0
  printf '%s [y/N] ' "$1"
  read -r answer || echo
  case $answer in
    [Yy] | [Yy][Ee][Ss]) ;;
    *) return 1 ;;
  esac
}

state=$(state_of_container)

if [ "$stop" = yes ]; then
  if [ "$remove" = yes ]; then
    agreed "Delete the container $name and its data, the volume $volume?" || fail "nothing was deleted (-y deletes without asking)"
  fi
  case $state in
    missing | exited | created | dead) echo "The container $name is not running" ;;
    *)
      docker stop "$name" >/dev/null || fail "cannot stop the container $name"
      echo "Stopped the container $name"
      ;;
  esac
  if [ "$remove" = yes ]; then
    if [ "$state" != missing ]; then docker rm "$name" >/dev/null || fail "cannot delete the container $name"; fi
    if docker volume inspect "$volume" >/dev/null 2>&1; then
      docker volume rm "$volume" >/dev/null || fail "cannot delete the volume $volume"
    fi
    echo "Deleted the container $name and its data"
  fi
  exit 0
fi

# A long docker command runs in the background, so that a signal ends it at once and not after the download.
child=''
interrupted() {
  if [ -n "$child" ]; then
    kill "$child" 2>/dev/null || true
    wait "$child" 2>/dev/null || true
  fi
  fail "interrupted" 130
}
trap interrupted INT TERM HUP

last_line() {
  printf '%s' "$1" | tail -n 1
}

explain_start() {
  case $1 in
    *:6030*"port is already allocated"* | *:6030*"address already in use"*) fail "port 6030, TDengine's own, is taken: stop what listens there$without" ;;
    *"port is already allocated"* | *"address already in use"*) fail "port $port is taken: stop what listens there, or choose another: TAOS_PORT=6141 ./docker.sh$without" ;;
    *) fail "cannot start the container $name: $(last_line "$1")$without" ;;
  esac
}

case $state in
  running) ;;
  missing)
    if [ "$pull" = yes ]; then
      docker pull "$image" &
      child=$!
      wait "$child" ||
        fail "cannot pull $image: check the network, or use an image that is here already with --no-pull$without"
      child=''
    else
      docker image inspect "$image" >/dev/null 2>&1 || fail "there is no local image $image: run ./docker.sh without --no-pull$without"
    fi
    if ! error=$(docker run --detach --name "$name" --publish "127.0.0.1:$port:6041" --publish 127.0.0.1:6030:6030 \
      --volume "$volume:/var/lib/taos" "$image" 2>&1); then
      docker rm "$name" >/dev/null 2>&1 || true # it never ran
      explain_start "$error"
    fi
    ;;
  paused) docker unpause "$name" >/dev/null || fail "cannot resume the container $name" ;;
  *) error=$(docker start "$name" 2>&1) || explain_start "$error" ;;
esac

published=$(docker port "$name" 6041/tcp 2>/dev/null | head -n 1) || published=''
[ -z "$published" ] || [ "${published##*:}" = "$port" ] ||
  fail "the container $name is at port ${published##*:}: use TAOS_PORT=${published##*:}, or remove it with 'docker rm -f $name' (its data stays)"

# The password goes by the environment or standard input: a command line shows in the list of processes. In base64 it has
# nothing that curl's configuration would read as quotes, escapes or the end of a line.
query() {
  local login
  if command -v curl >/dev/null && command -v base64 >/dev/null; then
    login=$(printf '%s' "${TAOS_USER:-root}:${TAOS_PASSWORD:-taosdata}" | base64)
    printf 'header = "Authorization: Basic %s"\n' "${login//[[:space:]]/}" |
      curl --silent --max-time 3 --noproxy '*' --config - --data 'show databases' "http://127.0.0.1:$port/rest/sql" 2>/dev/null
  else
    "$([ -x venv/bin/python ] && echo venv/bin/python || echo python3)" -c '
import base64, http.client, os, sys

login = (os.environb.get(b"TAOS_USER") or b"root") + b":" + (os.environb.get(b"TAOS_PASSWORD") or b"taosdata")
connection = http.client.HTTPConnection("127.0.0.1", int(sys.argv[1]), timeout=3)
headers = {"Authorization": "Basic " + base64.b64encode(login).decode()}
connection.request("POST", "/rest/sql", "show databases", headers)
print(connection.getresponse().read().decode())
' "$port" 2>/dev/null
  fi
}

# True where TDengine answers; sets databases to what it says.
answers() {
  databases=$(query) || true
  [[ $databases =~ $no_error ]]
}

give_up() {
  if [ -t 1 ]; then echo; fi
  docker logs --tail 10 "$name" >&2 || true
  fail "$1: the end of its log is above$without"
}

echo "Waiting for TDengine at localhost:$port ..."
SECONDS=0
until answers; do
  [ "$SECONDS" -lt "$timeout" ] || give_up "TDengine does not answer after $timeout s"
  case $(state_of_container) in
    exited | dead | missing) give_up "TDengine ended" ;;
  esac
  if [ -t 1 ]; then printf '\r%s of %s s ' "$SECONDS" "$timeout"; fi
  sleep 0.5
done
if [ -t 1 ]; then printf '\r'; fi
echo "TDengine answers at localhost:$port (container $name; ./docker.sh --stop stops it)"

[ "$benchmark" = yes ] || exit 0
tables=${tables:-100} rows=${rows:-1000}
case $databases in
  *'["test"'*)
    agreed "taosBenchmark drops the database test, which is there, and makes it anew. Go on?" ||
      fail "the database test was left as it is (-y drops it without asking)"
    ;;
esac
echo "Filling test.meters: $tables tables of $rows rows ..."
mkdir -p logs 2>/dev/null || fail "$PWD cannot be written to, where logs/ has its place: make a clone of your own"
docker exec "$name" taosBenchmark -y -t "$tables" -n "$rows" -S 1000 -s "$((($(date +%s) - rows) * 1000))" >logs/benchmark.log 2>&1 </dev/null &
child=$!
wait "$child" || fail "taosBenchmark failed: logs/benchmark.log says why"
child=''
echo "Filled. To see it: venv/bin/python perspective_server.py --database test --table meters"
