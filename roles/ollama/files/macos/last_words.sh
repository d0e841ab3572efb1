#!/bin/sh
# Copyright: (c) 2026, The llmfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# The last lines of the log that its argument names. The line with the server's environment may hold a password.
tail -n 15 "$1" | grep -v 'env=' | tail -n 6
