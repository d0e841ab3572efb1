#!/bin/sh
# Copyright: (c) 2026, The llmfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# The door of the port: rules in an anchor, and pf switched on by a reference that can be given back. pf stays on while anybody holds one.
# Arguments: hold or release, anchor, file of the rules, file that keeps the token of our reference.
export PATH=/usr/bin:/bin:/usr/sbin:/sbin
action=$1 anchor=$2 rules=$3 keep=$4

token=$(cat "$keep" 2>/dev/null)
held() {
    # A start of the Mac and `pfctl -d` drop every reference; then the token is not in the list any more.
    [ -n "$token" ] && pfctl -s References 2>/dev/null | grep -qw "$token"
}

case $action in
hold)
    pfctl -a "$anchor" -f "$rules" || exit 1
    if ! held; then
        umask 077
        # Says "Token : <number>" on stderr. The file appears when pf is on: the server starts by it.
        rm -f "$keep"
        pfctl -E 2>&1 | sed -n 's/^Token : *\([0-9]*\).*/\1/p' >"$keep.new"
        [ -s "$keep.new" ] && mv "$keep.new" "$keep"
    fi
    ;;
release)
    pfctl -a "$anchor" -F all || exit 1
    if held; then
        pfctl -X "$token" || exit 1
    fi
    rm -f "$keep"
    ;;
esac
