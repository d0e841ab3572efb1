#!/usr/bin/env bash
# Copyright: (c) 2026, The llmfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# What must be there before Python can take over: Debian packages and .cache/venv. Safe to repeat; a second run takes a second.
set -euo pipefail
cd "$(dirname "$0")/.."

packages=(iptables debootstrap nftables patchelf zstd gcc libc6-dev openssh-client git
          ca-certificates python3 python3-venv chromium chromium-driver)
# An engine that is there already, whoever's it is, stays.
command -v dockerd >/dev/null || packages+=(docker.io containerd runc)
missing=()
for package in "${packages[@]}"; do
  [ "$(dpkg-query -W -f='${db:Status-Status}' "$package" 2>/dev/null)" = installed ] || missing+=("$package")
done
if [ "${#missing[@]}" -gt 0 ]; then
  [ "$(id -u)" = 0 ] || { echo "lab/bootstrap.sh: run as root, or install first: ${missing[*]}" >&2; exit 1; }
  echo "== Installing Debian packages: ${missing[*]}"
  mkdir -p .cache
  install() { DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends "$@"; }
  # Debian 13 split the docker command out of docker.io.
  docker_cli() { command -v docker >/dev/null || install docker-cli; }
  if ! { apt-get update -qq && install "${missing[@]}" && docker_cli; } >.cache/apt.log 2>&1; then
    tail -n 20 .cache/apt.log >&2
    echo "lab/bootstrap.sh: apt-get could not install ${missing[*]}; the whole output is in .cache/apt.log" >&2
    exit 1
  fi
fi

# The newest Python at hand, since ansible-core 2.20 and newer want 3.12; with 3.11 pip takes ansible-core 2.19.
# LLMFLEET_PYTHON names another one, LLMFLEET_ANSIBLE another release of the ansible package (`ansible~=12.0` has core 2.19).
newest=""
for candidate in ${LLMFLEET_PYTHON:-python3.14 python3.13 python3.12 /usr/bin/python3 python3}; do
  command -v "$candidate" >/dev/null || continue
  "$candidate" -c 'import sys, ensurepip; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || continue
  if [ -z "$newest" ] || "$candidate" -c "import sys; sys.exit(sys.version_info[:2] <= $("$newest" -c 'import sys; print(sys.version_info[:2])'))"; then
    newest=$candidate
  fi
done
[ -n "$newest" ] || { echo "lab/bootstrap.sh: no Python 3.11 or newer with venv found; install python3-venv or set LLMFLEET_PYTHON" >&2; exit 1; }

stamp=.cache/venv/requirements.sha256
wanted=$( { cat requirements-dev.txt; echo "${LLMFLEET_ANSIBLE:-}"; "$newest" --version; } | sha256sum)
if [ "$(cat "$stamp" 2>/dev/null)" != "$wanted" ]; then
  echo "== Making the Python environment .cache/venv with $("$newest" --version)"
  # Nothing is left in the home directory.
  export PIP_CACHE_DIR=$PWD/.cache/lab/pip
  "$newest" -m venv .cache/venv
  .cache/venv/bin/pip install --quiet --disable-pip-version-check --requirement requirements-dev.txt ${LLMFLEET_ANSIBLE:-}
  echo "$wanted" >"$stamp"
fi
