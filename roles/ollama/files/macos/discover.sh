#!/bin/sh
# Copyright: (c) 2026, The llmfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Everything that the role must know of a Mac, in one run, as `key=value` lines. Reads only, takes no decision.
# Arguments: install directory, models directory, label of the daemon, label of the door, port, URL of the API, user, then names
# of hosts to resolve.
export PATH=/usr/bin:/bin:/usr/sbin:/sbin
install=$1 models=$2 label=$3 door=$4 port=$5 url=$6 user=$7
shift 7

sha() {
    # Of nothing, nothing.
    [ -f "$1" ] && shasum -a 256 "$1" | cut -d ' ' -f 1
}
existing() {
    # The nearest directory that is there already.
    path=$1
    while [ ! -d "$path" ]; do
        path=$(dirname "$path")
    done
    echo "$path"
}
free_kib() {
    df -Pk "$(existing "$1")" | awk 'NR == 2 { print $4 }'
}
releases() {
    for path in "$install"/[0-9]*; do
        [ -e "$path" ] && basename "$path"
    done | tr '\n' ' ' | sed 's/ $//'
}
desktop_app() {
    for app in /Applications/Ollama.app /Users/*/Applications/Ollama.app; do
        if [ -d "$app" ]; then
            echo "$app"
            return
        fi
    done
}
brew_service() {
    for plist in /Library/LaunchDaemons/homebrew.mxcl.ollama.plist /Users/*/Library/LaunchAgents/homebrew.mxcl.ollama.plist; do
        if [ -f "$plist" ]; then
            echo "$plist"
            return
        fi
    done
}
port_owner() {
    # The program that listens on the port, unless it runs as the service's user.
    lsof -nP -iTCP:"$port" -sTCP:LISTEN -FcL 2>/dev/null |
        awk -v mine="$user" '/^c/ { command = substr($0, 2) } /^L/ && substr($0, 2) != mine { print command; exit }'
}
resolved() {
    # An address answers for itself; a name that nobody knows admits nobody.
    for name; do
        case $name in
        *:*) echo "$name" ;;
        *[!0-9.]*) dscacheutil -q host -a name "$name" | awk '/^ip(v6)?_address:/ { print $2 }' ;;
        *) echo "$name" ;;
        esac
    done | sort -u | tr '\n' ' '
}
models_volume() {
    # A path below /Volumes is a directory of the system disk while the volume is not mounted.
    case $models in
    /Volumes/*) [ -d "$(echo "$models" | cut -d / -f 1-3)" ] ;;
    esac
}
ownerless_volume() {
    # The mount point of the models if it ignores owners, as external disks do unless told otherwise.
    point=$(df -P "$(existing "$models")" | awk 'NR == 2 { sub(/^.*% +/, ""); print }')
    mount | grep -F " on $point (" | grep -q noowners && echo "$point"
}
may_enter() {
    if id -u "$user" >/dev/null 2>&1; then
        sudo -n -u "$user" test -x "$1"
    else
        case $(stat -f %Sp "$1") in *[xt]) true ;; *) false ;; esac
    fi
}
closed_parent() {
    # The first directory above the models that the user of the service cannot enter, such as somebody's home.
    closed='' path=$models
    while [ "$path" != / ] && [ "$path" != . ]; do
        path=$(dirname "$path")
        [ ! -e "$path" ] || may_enter "$path" || closed=$path
    done
    echo "$closed"
}
served_store() {
    # What plutil has to say of a key that is not there goes to stdout as well.
    value=$(plutil -extract EnvironmentVariables.OLLAMA_MODELS raw -o - "/Library/LaunchDaemons/$label.plist" 2>/dev/null) && echo "$value"
}
other_stores() {
    # Stores that hold models and are not the wanted one: where the daemon keeps them, and those of a move that was cut off.
    {
        served_store
        cat "$install/.moving" 2>/dev/null
    } | awk '$0 != "" && !seen[$0]++' | while IFS= read -r store; do
        [ "$store" = "$models" ] || [ -z "$(find "$store/blobs/" -maxdepth 1 -type f -name 'sha256-*' 2>/dev/null | head -n 1)" ] || printf '%s:' "$store"
    done
}
yes_or_no() {
    if "$@" >/dev/null 2>&1; then echo yes; else echo no; fi
}
pf_says() {
    # What pfctl prints to $1, as far as it matches $2. It writes a remark about ALTQ to stderr each time.
    pfctl -s "$1" 2>/dev/null | grep -q "$2"
}
cli_is_file() {
    [ -f /usr/local/bin/ollama ] && [ ! -L /usr/local/bin/ollama ]
}

echo "current=$(readlink "$install/current" | sed 's|.*/||')"
echo "releases=$(releases)"
echo "daemon_sha256=$(sha "/Library/LaunchDaemons/$label.plist")"
echo "door_sha256=$(sha "/Library/LaunchDaemons/$door.plist")"
echo "rules_sha256=$(sha "/etc/pf.anchors/$door")"
echo "loaded=$(yes_or_no launchctl print "system/$label")"
echo "door_loaded=$(yes_or_no launchctl print "system/$door")"
echo "pf_enabled=$(yes_or_no pf_says info '^Status: Enabled')"
echo "pf_calls_us=$(yes_or_no pf_says rules 'anchor "com.apple/\*"')"
echo "pf_rules=$(pfctl -a "com.apple/$door" -s rules 2>/dev/null | grep -c port)"
echo "resolved=$(resolved "$@")"
echo "cli=$(readlink /usr/local/bin/ollama)"
echo "cli_directory=$(yes_or_no test -d /usr/local/bin)"
echo "cli_is_file=$(yes_or_no cli_is_file)"
echo "user_exists=$(yes_or_no id -u "$user")"
echo "models_owner=$(stat -f %Su "$models" 2>/dev/null)"
echo "models_volume=$(yes_or_no models_volume)"
echo "ownerless_volume=$(ownerless_volume)"
echo "closed_parent=$(closed_parent)"
echo "other_stores=$(other_stores)"
echo "move_noted=$(yes_or_no test -e "$install/.moving")"
echo "install_free_kib=$(free_kib "$install")"
echo "desktop_app=$(desktop_app)"
echo "brew_service=$(brew_service)"
echo "port_owner=$(port_owner)"
echo "is_root=$(yes_or_no test "$(id -u)" = 0)"
# Tells the truth to a Python that runs under Rosetta, too.
echo "apple_silicon=$(yes_or_no test "$(sysctl -n hw.optional.arm64 2>/dev/null)" = 1)"
echo "version=$(curl -s -m 5 --noproxy '*' "$url/api/version" | sed -n 's/.*"version" *: *"\([^"]*\)".*/\1/p')"
