#!/bin/sh
# Copyright: (c) 2026, The llmfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Managed by llmfleet. The door of a server's port: loads its rules, puts them back when somebody flushes them, and keeps the set of container
# bridges that they admit, where they have one.
# Arguments: load, check (once) or watch (for ever); the file of the rules; the file that remembers when they were gone; /sys/class/net.
verb=$1 rules=$2 gone=$3 net=$4
table="inet $(sed -n 's/^table inet \(llmfleet_[a-z_]*\)$/\1/p' "$rules" | head -n 1)"

engines() {
    # Bridges as container engines name them, to the last letter. One with a network card, a VLAN or a bond among its ports is no network of
    # containers alone, whatever its name.
    four='[0-9a-f][0-9a-f][0-9a-f][0-9a-f]'
    for at in "$net"/*/bridge; do
        name=${at%/bridge} name=${name##*/}
        # shellcheck disable=SC2254 # patterns, not texts
        case $name in
        docker0 | docker_gwbridge | br-$four$four$four | podman[0-9] | podman[0-9][0-9] | cni0 | cni-podman[0-9] | cni-podman[0-9][0-9]) ;;
        *) continue ;;
        esac
        [ -d "$at" ] || continue
        for port in "$net/$name"/brif/*; do
            card=$net/${port##*/}
            for below in "$card"/device "$card"/lower_*; do
                if [ -e "$below" ] || [ -L "$below" ]; then continue 3; fi
            done
        done
        echo "$name"
    done | sort
}

admit() {
    grep -q 'set bridges' "$rules" || return 0
    wanted=$(engines)
    known=$(nft list set "$table" bridges | tr '",\n\t' '    ' | sed -n 's/.*elements = {\([^}]*\)}.*/\1/p' | tr -s ' ' '\n' | sed '/^$/d' | sort)
    if [ "$wanted" != "$known" ]; then
        {
            echo "flush set $table bridges"
            for name in $wanted; do echo "add element $table bridges { \"$name\" }"; done
        } | nft -f -
    fi
}

load() {
    nft -f "$rules" && admit
}

check() {
    id=$(sed -n 's/.*comment "\(llmfleet [0-9a-f]*\)".*/\1/p' "$rules")
    now=$(nft list table "$table" 2>/dev/null)
    case $now in
    *"\"$id\""*) admit ;;
    *'"llmfleet '*) load ;;
    *)
        load || return 1
        date -u +%FT%TZ >"$gone"
        echo "<4>Somebody removed the firewall rules of $rules; they are back." >&2
        ;;
    esac
}

case $verb in
load) load ;;
check) check ;;
watch)
    while :; do
        check
        sleep 20
    done
    ;;
esac
