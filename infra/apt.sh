#!/bin/sh
# apt.sh PACKAGE...: installs Debian packages that a command of the Makefile needs.
#
# Whoever sits at a terminal is asked. CI (CI=true) and containers are not: there is nobody, and nothing of anybody's.
# Where nothing is installed, the command to run is printed, and the exit status is 1.
set -eu

# How Docker and Podman mark a container from inside.
: "${CONTAINER_FILES=/.dockerenv /run/.containerenv}"

main() {
    command -v apt-get >/dev/null || give_up "There is no apt-get here. Install by your system's own means: $*"
    [ "$(id -u)" = 0 ] || give_up "Not installed, because that takes root: $*. Run:
  sudo apt-get update && sudo apt-get install --no-install-recommends $*"
    unattended || agreed "$@" || give_up "Not installed: $*. Run:
  apt-get update && apt-get install --no-install-recommends $*"
    export DEBIAN_FRONTEND=noninteractive
    apt-get update -qq
    apt-get install -y -qq --no-install-recommends "$@"
}

unattended() {
    [ "${CI:-}" = true ] && return
    for file in $CONTAINER_FILES; do
        [ ! -e "$file" ] || return 0
    done
    return 1
}

agreed() {
    [ -t 0 ] || return 1
    printf 'This needs the Debian packages %s. Install them as root with apt-get? [y/N] ' "$*" >&2
    read -r answer || return 1
    [ "$answer" = y ] || [ "$answer" = Y ]
}

give_up() {
    echo "$1" >&2
    exit 1
}

main "$@"
