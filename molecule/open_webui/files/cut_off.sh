#!/bin/sh
# Copyright: (c) 2026, The llmfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Starts a playbook and kills it, with all its children, when the new release has rewritten the database and is waited for.
# Arguments: inventory, playbook, the host's container.
set -eu
log=$(mktemp)
setsid ansible-playbook -i "$1" "$2" >"$log" 2>&1 &
run=$!
tries=0
until docker exec "$3" docker logs open-webui 2>&1 | grep -q 'the migration failed on purpose'; do
    tries=$((tries + 1))
    if [ "$tries" -gt 480 ] || ! kill -0 "$run" 2>/dev/null; then
        cat "$log" >&2
        exit 1
    fi
    sleep 0.5
done
# The one of the shell takes no group in dash.
env kill -s KILL -- "-$run"
