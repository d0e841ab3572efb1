#!/bin/sh
# Copyright: (c) 2026, The llmfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Gives an unpacked release its name, once it has what it needs. So there is never half a tree.
# Arguments: where it was unpacked (below tree), its directory, a program that it must have beside bin/ollama (or nothing), names of its archives.
set -e
cd "$1/tree"
for file in bin/ollama ${3:+"$3"}; do
    [ -x "$file" ] || { echo "the archive has no program $file" >&2; exit 1; }
done
printf %s "$4" >archives
chmod 0644 archives
[ ! -e "$2" ] || mv -T "$2" "$1/replaced"
mv -T "$1/tree" "$2"
if selinuxenabled 2>/dev/null; then
    restorecon -R "$2"
    # Below /srv and in a folder of the user's own the policy knows of no programs, and systemd starts none without their label.
    case $(matchpathcon -n "$2/bin/ollama" 2>/dev/null) in
    *:bin_t:*) ;;
    *) chcon -R -t bin_t "$2" ;;
    esac
fi
