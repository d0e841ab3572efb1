#!/bin/sh
# Copyright: (c) 2026, The llmfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Removes directories that are empty now and says which, and lets systemd forget what lay in them. A run that was cut off may have left no more
# than such a directory. Arguments: the directories.
found=
for dir; do
    if rmdir "$dir" 2>/dev/null; then
        echo "$dir"
        found=yes
    fi
done
# Where somebody keeps other files beside ours, nothing else tells.
if [ -n "$found" ] || systemctl show --property NeedDaemonReload ollama.service nftables.service | grep -q yes; then
    systemctl daemon-reload
fi
