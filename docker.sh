#!/usr/bin/env bash
# Starts TDengine in a Docker container and waits until it answers.
set -euo pipefail

readonly image=${TAOS_IMAGE:-tdengine/tsdb:3.4.2.8} name=prsp-tdengine volume=prsp-tdengine-data
readonly without="; ./run.sh works without Docker"

usage() {
  cat <<HELP
Usage: ./docker.sh [--no-pull] [--timeout 120]
       ./docker.sh --stop

Starts TDengine ($image) as the container $name and waits until
it answers SQL. A running container is used as it is, a stopped one is started
again. Its ports 6041 and 6030 are open to this machine only; its data is in the
Docker volume $volume and outlives the container.

  --no-pull     use the image that is here already
  --timeout N   wait this many seconds for TDengine to answer (120)
  --stop        stop the container; its data stays
  --help        show this

TAOS_IMAGE names another image, TAOS_PORT another port than 6041 on this side,
for a container that is new. --benchmark comes later.
HELP
}

fail() {
  printf 'docker.sh: %s\n' "$1" >&2
  exit "${2:-1}"
}

pull=yes stop=no timeout=120
while [ $# -gt 0 ]; do
  case $1 in
    --no-pull) pull=no ;;
    --stop) stop=yes ;;
    --timeout)
      [ $# -gt 1 ] || fail "--timeout needs a number of seconds: see ./docker.sh --help" 2
      timeout=$2
      shift
      ;;
    --timeout=*) timeout=${1#*=} ;;
    --benchmark) fail "--benchmark comes later: start without it, and fill the tables with producer.py" 2 ;;
    -h | --help)
      usage
      exit 0
      ;;
    *) fail "unknown option $1: see ./docker.sh --help" 2 ;;
  esac
  shift
done
[[ $timeout =~ ^[1-9][0-9]{0,4}$ ]] || fail "--timeout takes a number of seconds, not '$timeout'" 2
readonly port=${TAOS_PORT:-6041}
[[ $port =~ ^[1-9][0-9]{0,4}$ ]] || fail "TAOS_PORT is a port number, not '$port'"

unset CDPATH
cd -P -- "$(dirname -- "$0")"

command -v docker >/dev/null || fail "Docker is not installed: see https://docs.docker.com/get-docker/$without"
if ! error=$(docker version --format '{{.Server.Version}}' 2>&1); then
  case $error in
    *[Pp]ermission\ denied*) fail "you may not use Docker: run 'sudo usermod -aG docker $(id -un)' and log in again$without" ;;
    *) fail "Docker's daemon does not answer: start Docker (Desktop, or 'sudo systemctl start docker')$without" ;;
  esac
fi

state=$(docker container inspect --format '{{.State.Status}}' "$name" 2>/dev/null) || state=missing

if [ "$stop" = yes ]; then
  case $state in
    missing | exited | created | dead) echo "The container $name is not running" ;;
    *)
      docker stop "$name" >/dev/null || fail "cannot stop the container $name"
      echo "Stopped the container $name; its data stays in the volume $volume"
      ;;
  esac
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
      fail "cannot start the container: $(last_line "$error")$without"
    fi
    ;;
  paused) docker unpause "$name" >/dev/null || fail "cannot resume the container $name" ;;
  *) error=$(docker start "$name" 2>&1) || fail "cannot start the container $name: $(last_line "$error")" ;;
esac

published=$(docker port "$name" 6041/tcp 2>/dev/null | head -n 1) || published=''
[ -z "$published" ] || [ "${published##*:}" = "$port" ] ||
  fail "the container $name is at port ${published##*:}: use TAOS_PORT=${published##*:}, or remove it with 'docker rm -f $name' (its data stays)"

# The password goes by the environment or standard input: a command line shows in the list of processes.
answers() {
  if command -v curl >/dev/null; then
    printf 'user = "%s:%s"\n' "${TAOS_USER:-root}" "${TAOS_PASSWORD:-taosdata}" |
      curl --silent --max-time 3 --noproxy '*' --config - --data 'show databases' "http://127.0.0.1:$port/rest/sql" 2>/dev/null
  else
    "$([ -x venv/bin/python ] && echo venv/bin/python || echo python3)" -c '
import base64, http.client, os, sys

login = os.environ.get("TAOS_USER", "root") + ":" + os.environ.get("TAOS_PASSWORD", "taosdata")
connection = http.client.HTTPConnection("127.0.0.1", int(sys.argv[1]), timeout=3)
headers = {"Authorization": "Basic " + base64.b64encode(login.encode()).decode()}
connection.request("POST", "/rest/sql", "show databases", headers)
print(connection.getresponse().read().decode())
' "$port" 2>/dev/null
  fi | grep -qE '"code": ?0[,}]'
}

echo "Waiting for TDengine at localhost:$port ..."
SECONDS=0
until answers; do
  if [ "$SECONDS" -ge "$timeout" ]; then
    docker logs --tail 10 "$name" >&2 || true
    fail "TDengine does not answer after $timeout s: the end of its log is above$without"
  fi
  sleep 0.5
done
echo "TDengine answers at localhost:$port (container $name; ./docker.sh --stop stops it)"
