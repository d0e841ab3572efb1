# Copyright: (c) 2026, The llmfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Everything that role ollama must know about a Linux host, in one round trip and without a change. Prints YAML.
# Arguments: user, port, models directory, our drop-in, the note of a move of the models that was cut off, then a list of host names to
# resolve, "--", and a list of paths to look at.
# It runs under any POSIX shell with coreutils; what else is missing (ss, nft, runuser) gives an empty answer.

user=$1 port=$2 models=$3 drop_in=$4 moving=$5
shift 5
LC_ALL=C TZ=UTC
export LC_ALL TZ

# A value as a YAML string, whatever somebody wrote into it.
quoted() { printf '"%s"' "$(printf %s "$1" | tr -cd '\040-\176\200-\377' | sed 's/[\\"]/\\&/g')"; }
say() { printf '%s: %s\n' "$1" "$(quoted "$2")"; }
have() { command -v "$1" >/dev/null 2>&1; }

# ---- addresses of the hosts that may come in, as this host sees them
echo 'resolved:'
while [ $# -gt 0 ] && [ "$1" != -- ]; do
    printf ' - {name: "%s", addresses: [%s]}\n' "$1" \
        "$(getent ahosts "$1" | awk '!seen[$1]++ { printf "%s\"%s\"", (n++ ? ", " : ""), $1 }')"
    shift
done
[ $# -eq 0 ] || shift

# ---- where the controller comes from: sudo clears SSH_CLIENT, so ask the processes above us
controller='' pid=$$
while [ -z "$controller" ] && [ "${pid:-0}" -gt 1 ]; do
    controller=$(tr '\0' '\n' 2>/dev/null <"/proc/$pid/environ" | sed -n 's/^SSH_CLIENT=\([^ ]*\).*/\1/p')
    pid=$(awk '$1 == "PPid:" { print $2 }' "/proc/$pid/status" 2>/dev/null)
done
say controller "$controller"

# ---- the files: one line says all that must match, so the controller compares whole lines
echo 'files:'
for path; do
    [ -e "$path" ] || [ -L "$path" ] || continue
    if [ -L "$path" ]; then
        is="link $(readlink "$path")"
    elif [ -d "$path" ]; then
        is="$(stat -c '%04a %U %G' "$path") directory"
    elif [ "$(stat -c %s "$path")" -lt 1000000 ]; then
        is="$(stat -c '%04a %U %G' "$path") $(sha1sum <"$path" | cut -d' ' -f1)"
    else
        is='big file'
    fi
    printf ' - {path: %s, is: %s, target: %s, changed: %s}\n' \
        "$(quoted "$path")" "$(quoted "$is $path")" "$(quoted "$(readlink "$path")")" "$(stat -c %Y "$path")"
done

# ---- who we are ourselves: without root most of what follows is empty, and nothing of it means anything
say root "$([ "$(id -u)" -ne 0 ] || echo yes)"

# ---- the user, and which of the groups that own GPU devices exist here
say user "$(id -nG "$user" 2>/dev/null)"
say gpu_groups "$(getent group render video | cut -d: -f1 | tr '\n' ' ')"

# ---- the service
property() { systemctl show "$1" -p "$2" 2>/dev/null | cut -d= -f2-; }
main_pid=$(property ollama.service MainPID)
started=$(property ollama.service ExecMainStartTimestamp)
say unit_path "$(property ollama.service FragmentPath)"
say active "$(property ollama.service ActiveState)"
say enabled "$(property ollama.service UnitFileState)"
say pid "$main_pid"
say stale_in_systemd "$(property ollama.service NeedDaemonReload)"
printf 'started: %s\n' "$(if [ -n "$started" ]; then date -d "$started" +%s; else echo 0; fi)"

# ---- who listens on the port, and where the server that is ours listens now
listeners=$(ss -Hltnp 2>/dev/null)
say other_listener "$(printf '%s\n' "$listeners" | awk -v port=":$port" -v mine="pid=${main_pid:-0}," \
    'substr($4, length($4) - length(port) + 1) == port && index($0, mine) == 0 { print ($6 == "" ? "a process without a name" : $6) }' |
    sed -n '1s/users:((//; 1s/))$//; 1p')"
say own_listener "$(printf '%s\n' "$listeners" | awk -v mine="pid=${main_pid:-0}," 'index($0, mine) { print $4 }' | head -n 1)"

# ---- the door: what the kernel has loaded, not what a file says
say nft "$(command -v nft)"
say nft_error "$(if have nft; then nft list tables 2>&1 >/dev/null | head -n 1; fi)"
say door "$(if have nft; then nft list table inet llmfleet_ollama 2>/dev/null | sed -n 's/.*comment "llmfleet \([0-9a-f]*\)".*/\1/p' | head -n 1; fi)"

# ---- the machine
say zstd "$(command -v zstd)"
say tegra "$(sed -n '1s/^# R\([0-9]*\) .*/\1/p' /etc/nv_tegra_release 2>/dev/null)"
say display_vendors "$(for card in /sys/bus/pci/devices/*; do
    case $(cat "$card/class" 2>/dev/null) in 0x03* | 0x12*) cat "$card/vendor" ;; esac
done | sort -u | tr '\n' ' ')"

# ---- the model store: a mount that should hold it and is not there, and the first directory above it that the user cannot enter
say missing_mount "$(awk '$1 !~ /^#/ && $2 ~ /^\// { print $2 }' /etc/fstab 2>/dev/null | while read -r mount; do
    case $models/ in "${mount%/}"/*) mountpoint -q "$mount" || echo "$mount" ;; esac
done | head -n 1)"
say store_filesystem "$(
    path=$models
    while [ ! -e "$path" ]; do path=$(dirname "$path"); done
    stat -f -c %T "$path"
)"
enter() {
    if id "$user" >/dev/null 2>&1 && have runuser; then
        runuser -u "$user" -- test -x "$1"
    else
        case $(stat -Lc %A "$1") in *[xt]) true ;; *) false ;; esac
    fi
}
closed='' path=$models
while [ "$path" != / ] && [ "$path" != . ]; do
    path=$(dirname "$path")
    [ ! -e "$path" ] || enter "$path" || closed=$path
done
say closed_parent "$closed"
say models_denied "$(if [ -d "$models" ]; then
    id "$user" >/dev/null 2>&1 && have runuser && runuser -u "$user" -- test -w "$models" -a -x "$models" || echo yes
fi)"
say models_entries "$(if [ -d "$models" ] && [ -n "$(find "$models" -mindepth 1 -maxdepth 1 ! -name lost+found | head -n 1)" ]; then echo yes; fi)"

# ---- stores that hold models and that are not the wanted one: where the service keeps them now, and those of a move that was cut off
served_store() {
    if [ -f "$drop_in" ]; then
        sed -n 's/^Environment="OLLAMA_MODELS=\(.*\)"$/\1/p' "$drop_in" | tail -n 1 | sed 's/%%/%/g; s/\\\([\\"]\)/\1/g'
        return
    fi
    # Another installer's service, or none any more: a removal leaves models and user.
    named=$(property ollama.service Environment | sed -n 's/.*"OLLAMA_MODELS=\([^"]*\)".*/\1/p; t; s/.*OLLAMA_MODELS=\([^ ]*\).*/\1/p')
    owner=$(property ollama.service User)
    [ -z "$(property ollama.service FragmentPath)" ] || owner=${owner:-root}
    home=$(getent passwd "${owner:-$user}" | cut -d: -f6)
    echo "${named:-${home:+$home/.ollama/models}}"
}
echo 'other_stores:'
{
    served_store
    cat "$moving" 2>/dev/null
} | awk '$0 != "" && !seen[$0]++' | while IFS= read -r store; do
    if [ "$store" != "$models" ] && [ -n "$(find "$store/blobs/" -maxdepth 1 -type f -name 'sha256-*' 2>/dev/null | head -n 1)" ]; then
        printf ' - %s\n' "$(quoted "$store")"
    fi
done
