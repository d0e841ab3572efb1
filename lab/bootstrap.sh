#!/usr/bin/env bash
# Copyright: (c) 2026, The llmfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# What must be there before Python can take over. Safe to repeat; a second run takes a second.
#
#   lab/bootstrap.sh venv    .cache/venv, on any Linux or Mac with Python 3.11 or newer, by anybody
#   lab/bootstrap.sh lab     that and the lab's Debian packages, by root on Debian 12 or 13
set -euo pipefail
cd "$(dirname "$0")/.."

debian_packages() {
  local packages=(iptables debootstrap nftables patchelf zstd gcc libc6-dev openssh-client git
                  ca-certificates python3 python3-venv chromium chromium-driver)
  local missing=() package
  command -v dpkg-query >/dev/null || { echo "lab/bootstrap.sh: the lab needs Debian 12 or 13; make unit, lint and versions do without" >&2; exit 1; }
  # An engine that is there already, whoever's it is, stays.
  command -v dockerd >/dev/null || packages+=(docker.io containerd runc)
  for package in "${packages[@]}"; do
    [ "$(dpkg-query -W -f='${db:Status-Status}' "$package" 2>/dev/null)" = installed ] || missing+=("$package")
  done
  [ "${#missing[@]}" -gt 0 ] || return 0
  [ "$(id -u)" = 0 ] || { echo "lab/bootstrap.sh: run as root, or install first: ${missing[*]}" >&2; exit 1; }
  echo "== Installing Debian packages: ${missing[*]}"
  mkdir -p .cache
  install() { DEBIAN_FRONTEND=noninteractive apt-get install -y -o Acquire::Retries=3 --no-install-recommends "$@"; }
  # Debian 13 split the docker command out of docker.io.
  docker_cli() { command -v docker >/dev/null || install docker-cli; }
  if ! { apt-get update -qq -o Acquire::Retries=3 && install "${missing[@]}" && docker_cli; } >.cache/apt.log 2>&1; then
    tail -n 20 .cache/apt.log >&2
    echo "lab/bootstrap.sh: apt-get could not install ${missing[*]}; the whole output is in .cache/apt.log" >&2
    exit 1
  fi
}

# The newest Python at hand, since ansible-core 2.20 and newer want 3.12; with 3.11 pip takes ansible-core 2.19.
# LLMFLEET_PYTHON names another one, LLMFLEET_ANSIBLE another release of the ansible package (`ansible~=12.0` has core 2.19).
newest_python() {
  local newest="" candidate
  for candidate in ${LLMFLEET_PYTHON:-python3.14 python3.13 python3.12 /usr/bin/python3 python3}; do
    command -v "$candidate" >/dev/null || continue
    "$candidate" -c 'import sys, ensurepip; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || continue
    if [ -z "$newest" ] || "$candidate" -c "import sys; sys.exit(sys.version_info[:2] <= $("$newest" -c 'import sys; print(sys.version_info[:2])'))"; then
      newest=$candidate
    fi
  done
  [ -n "$newest" ] || {
    echo "lab/bootstrap.sh: no Python 3.11 or newer with venv found; install one (Debian: python3-venv), or set LLMFLEET_PYTHON" >&2
    exit 1
  }
  echo "$newest"
}

python_environment() {
  local python stamp=.cache/venv/requirements wanted
  python=$(newest_python)
  # Their text and not its hash: the command that hashes has another name on a Mac.
  wanted=$(cat requirements-dev.txt; echo "${LLMFLEET_ANSIBLE:-}"; "$python" --version)
  [ "$(cat "$stamp" 2>/dev/null)" != "$wanted" ] || return 0
  echo "== Making the Python environment .cache/venv with $("$python" --version)"
  # Nothing is left in the home directory.
  export PIP_CACHE_DIR=$PWD/.cache/lab/pip
  "$python" -m venv .cache/venv
  # Of the package ansible a run imports a hundredth, so the rest is not compiled. Unquoted at the end, so that nothing is no argument.
  # shellcheck disable=SC2086
  .cache/venv/bin/pip install --quiet --no-compile --disable-pip-version-check --requirement requirements-dev.txt ${LLMFLEET_ANSIBLE:-}
  echo "$wanted" >"$stamp"
}

case "${1:-}" in
  venv) python_environment ;;
  lab) debian_packages; python_environment ;;
  *) echo "usage: lab/bootstrap.sh venv|lab" >&2; exit 64 ;;
esac
