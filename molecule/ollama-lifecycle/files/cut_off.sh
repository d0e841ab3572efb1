#!/bin/sh
# Copyright: (c) 2026, The llmfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Starts a playbook and kills it, with all its children, when the new release runs on the host and is waited for.
# Arguments: inventory, playbook, what the release says then, the command that shows what it says.
set -eu
inventory=$1 playbook=$2 says=$3
shift 3
log=$(mktemp)
setsid ansible-playbook -i "$inventory" "$playbook" >"$log" 2>&1 &
run=$!
tries=0
until "$@" 2>&1 | grep -q "$says"; do
    tries=$((tries + 1))
    if [ "$tries" -gt 480 ] || ! kill -0 "$run" 2>/dev/null; then
        cat "$log" >&2
        exit 1
    fi
    sleep 0.5
done
# The one of the shell takes no group in dash.
env kill -s KILL -- "-$run"
