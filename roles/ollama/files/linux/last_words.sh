#!/bin/sh
# Copyright: (c) 2026, The llmfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Prints the last log lines of the service, each behind the number of the process that said it, but for the one that lists the whole
# environment: that may hold secrets.
journalctl --unit ollama.service --lines 60 --output short --no-pager | sed -n '/ env=/d; s/^[^:]*:[^:]*:[^:]*\[\([0-9]*\)\]: /\1 /p'
