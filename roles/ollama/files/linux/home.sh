#!/bin/sh
# Copyright: (c) 2026, The llmfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Removes the home of the service's user, with its key and the models in it, but never what lies on another disk that is mounted there.
# Arguments: the home; the mounts as the kernel tells them. Prints what it removed.
set -e
home=$1 mounts=$2
[ -e "$home" ] || [ -L "$home" ] || exit 0
inside=$(awk -v home="$home" '$5 == home || index($5, home "/") == 1 { print $5; exit }' "$mounts")
if [ -n "$inside" ]; then
    echo "$home stays, because $inside is a mount in it; unmount that, or remove what is there by hand, and purge again." >&2
    exit 1
fi
rm -rf "${home:?}"
echo "$home"
