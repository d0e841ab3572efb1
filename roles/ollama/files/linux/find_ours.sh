#!/bin/sh
# Copyright: (c) 2026, The llmfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Prints the paths of all that the role made and that is still there, and "not root" for those who may not remove it.
# Arguments: the install directory, the link of the command line, then files that say themselves whether they are ours.
if [ "$(id -u)" -ne 0 ]; then echo 'not root'; fi
install=$1 cli=$2
shift 2
for file; do if grep -qs 'Managed by llmfleet' "$file"; then echo "$file"; fi; done
if [ "$(readlink "$cli")" = "$install/current/bin/ollama" ]; then echo "$cli"; fi
if [ -L "$install/current" ] || ls "$install"/*/archives >/dev/null 2>&1; then echo "$install"; fi
