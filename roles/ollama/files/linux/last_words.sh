#!/bin/sh
# Copyright: (c) 2026, The llmfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Prints the last log lines of the service, each behind the number of the process that said it, but for the one that lists the whole
# environment: that may hold secrets. Argument: the record of the change; what was said before that was begun is another server's.
begun=$(stat -c %Y "$1/record.json" 2>/dev/null) || begun=0
journalctl --unit ollama.service --since "@$begun" --lines 60 --output short --no-pager | sed -n '/ env=/d; s/^[^:]*:[^:]*:[^:]*\[\([0-9]*\)\]: /\1 /p'
