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
# Never the directory itself: somebody may keep other things in it. A release is what names its archives.
for path in "$install/current" "$install/previous"; do if [ -L "$path" ]; then echo "$path"; fi; done
for path in "$install"/[0-9]*/archives; do if [ -f "$path" ] && [ ! -L "${path%/*}" ]; then echo "${path%/*}"; fi; done
for path in "$install/.before" "$install/.moving" "$install"/.[0-9]*.part; do if [ -e "$path" ]; then echo "$path"; fi; done
