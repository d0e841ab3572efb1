#!/bin/sh
# Copyright: (c) 2026, The llmfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Copies files that are about to change, with owner and mode, until the new server is proved.
# Arguments: the directory of the copies, then the files.
set -e
before=$1
shift
rm -rf "$before"
mkdir -m 0700 "$before"
# Not cp --parents: that of coreutils 9.1 (Debian 12) fails to keep the modes of the parents.
for path; do
    mkdir -p "$before${path%/*}"
    cp -a "$path" "$before$path"
done
