#!/bin/sh
# Copyright: (c) 2026, The llmfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Takes the models out of their store: what a server makes there, by name, and the directory only if nothing else is in it.
# A disk of its own stays, and is given back to root when it is empty.
# Never what lies on another disk that is mounted in the store.
# Arguments: the store; the home of the service's user, which goes as a whole; the mounts as the kernel tells them. Prints what it removed or gave back.
set -e
store=$1 home=$2 mounts=$3
case $store/ in "$home"/*) exit 0 ;; esac
[ -d "$store" ] && [ ! -L "$store" ] || exit 0
# The kernel names a place without links, and writes a blank and a backslash in octal.
inside=$(STORE=$(cd "$store" && pwd -P | sed 's/\\/\\134/g; s/ /\\040/g') awk '
    BEGIN { store = ENVIRON["STORE"]; sub("/$", "", store) }
    index($5, store "/") == 1 && substr($5, length(store) + 2) ~ "^(blobs|manifests|manifests-v2)(/|$)" { print $5; exit }' "$mounts")
if [ -n "$inside" ]; then
    echo "$store stays, because $inside is a mount in it; unmount that, or remove what is there by hand, and purge again." >&2
    exit 1
fi
for name in blobs manifests manifests-v2; do
    if [ -e "$store/$name" ] || [ -L "$store/$name" ]; then
        rm -rf "${store:?}/$name"
        echo "$store/$name"
    fi
done
[ -z "$(find "$store" -mindepth 1 -maxdepth 1 ! -name lost+found -print -quit)" ] || exit 0
if ! mountpoint -q "$store"; then
    rmdir "$store"
    echo "$store"
elif [ "$(stat -c %U "$store")" != root ]; then
    # Else the disk would belong to a number that no user has any more, and the next installation would refuse it.
    chown root:root "$store"
    chmod 0755 "$store"
    echo "$store"
fi
