# What every script of the root begins with, in the root: what surrounds a script is not to change what it does.
# shellcheck shell=bash

# A descriptor that the caller has closed would be given to the next file that is opened.
{ true >&2; } 2>/dev/null || exec 2>/dev/null
{ true <&0; } 2>/dev/null || exec </dev/null
{ true >&1; } 2>/dev/null || exec >/dev/null

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
