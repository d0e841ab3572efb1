#!/bin/sh
# Copyright: (c) 2026, The llmfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Puts files back that keep.sh has copied, and the link to the release.
# Arguments: the link, the version that it led to (or nothing), the directory of the copies, then the files.
set -e
link=$1 version=$2 before=$3
shift 3
for path; do
    if [ -e "$before$path" ]; then cp -a "$before$path" "$path"; fi
done
rm -rf "$before"
if [ "$version" ]; then
    ln -sfn "$version" "$link.new"
    mv -T "$link.new" "$link"
else
    rm -f "$link"
fi
