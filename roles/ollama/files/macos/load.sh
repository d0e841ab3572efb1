#!/bin/sh
# Copyright: (c) 2026, The llmfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Load the daemon that its argument names. bootout answers before it is done, and until then bootstrap gives error 5 or 37, so it is tried
# for half a minute; the last error stands for all.
export PATH=/usr/bin:/bin:/usr/sbin:/sbin
tries=30
until said=$(launchctl bootstrap system "$1" 2>&1); do
    code=$?
    tries=$((tries - 1))
    if [ "$tries" -eq 0 ]; then
        echo "$said" >&2
        exit "$code"
    fi
    sleep 1
done
