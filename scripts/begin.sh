# What every script of the root begins with, in the root: what surrounds a script is not to change what it does.
# shellcheck shell=bash

# A descriptor that the caller has closed is given to the next file that is opened, of which the first is the script.
is_script() {
  # shellcheck disable=SC2154 # the script's own path, which it has found
  [ "/dev/fd/$1" -ef "${self##*/}" ]
}
if ! { true 3>&2; } || is_script 2; then exec 2>/dev/null; fi
if ! { true 3<&0; } 2>/dev/null || is_script 0; then exec </dev/null; fi
if ! { true 3>&1; } 2>/dev/null || is_script 1; then exec >/dev/null; fi

# What the environment says to Python is meant for other programs, but for the Python to use and where bytecode goes.
for name in ${!PYTHON@}; do
  case $name in
    PYTHON | PYTHONDONTWRITEBYTECODE | PYTHONPYCACHEPREFIX) ;;
    *) unset "$name" ;;
  esac
done
unset name

case ${OSTYPE:-} in
  msys* | cygwin*)
    printf '%s: Windows has no such processes and signals as this needs: use WSL (wsl --install), where all of it works\n' "${0##*/}" >&2
    exit 1
    ;;
esac
