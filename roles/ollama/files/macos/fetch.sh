#!/bin/sh
# Copyright: (c) 2026, The llmfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Bring one release of Ollama onto a Mac: download, checksum, unpack, look at what came out, and only then give the directory its
# name. The name <version> therefore always means a whole release, also after a cut connection or a full disk.
# Arguments: install directory, version, base URL, checksum (empty: the release's list), whether llama-server must be there.
# Standard input: lines for curl's configuration, such as a proxy with its password, which so stands in no process list.
set -eu
umask 022
export PATH=/usr/bin:/bin:/usr/sbin:/sbin
install=$1 version=$2 base=$3 checksum=$4 needs_server=$5
part=$install/$version.new
archive=$install/$version.tgz
url=$base/v$version/ollama-darwin.tgz
settings=$(cat)

refuse() {
    echo "$1" >&2
    exit 1
}
get() {
    printf '%s\n' "$settings" |
        curl --config - --fail --silent --show-error --location --retry 3 --connect-timeout 30 --dump-header "$part/headers" --output "$1" "$2" ||
        refuse "Could not download $2 (ollama_version, ollama_download_base_url)."
}

rm -rf "$part" "$archive" "$archive.sums"
mkdir -p "$part"
# curl, as a Python from python.org trusts no authority before its user has run a program of its own. Who waits reads the size in the headers.
get "$archive" "$url"
rm -f "$part/headers"

case $checksum in
'')
    list=$base/v$version/sha256sum.txt
    ;;
sha256:*://*)
    list=${checksum#sha256:}
    ;;
*)
    list=
    wanted=${checksum#sha256:}
    ;;
esac
if [ -n "$list" ]; then
    get "$archive.sums" "$list"
    wanted=$(awk '$2 == "./ollama-darwin.tgz" || $2 == "ollama-darwin.tgz" { print $1 }' "$archive.sums")
    rm -f "$archive.sums" "$part/headers"
fi
found=$(shasum -a 256 "$archive" | cut -d ' ' -f 1)
if [ "$found" != "$wanted" ]; then
    rm -rf "$archive" "$part"
    refuse "The checksum of $url is $found instead of ${wanted:-any} (ollama_download_checksum, ${list:-given in the inventory or by this collection})."
fi

# The system's own tar; nothing from Homebrew is needed. As root it would keep the owner of the archive, who on many a Mac is its first user.
tar -xzf "$archive" -C "$part" --no-same-owner --no-same-permissions
rm "$archive"
# A quarantined binary is stopped by Gatekeeper with a dialogue that nobody sees. That the attribute is not there is rc 1.
xattr -r -d com.apple.quarantine "$part" 2>/dev/null || true

[ -x "$part/ollama" ] || refuse "The archive of $url holds no ollama."
if [ "$needs_server" = yes ] && [ ! -x "$part/llama-server" ]; then
    refuse "The archive of $url holds no llama-server, without which this version loads no model."
fi
# Ollama's own Developer ID, as on Windows the publisher's name is asked for. The "=" says that this is the requirement, and no file with it.
said=$(codesign --verify --strict -R '=anchor apple generic and certificate leaf[subject.OU] = "3MU9H2V9Y9"' "$part/ollama" 2>&1) ||
    refuse "The ollama of $url is not signed by Ollama's makers (Infra Technologies, 3MU9H2V9Y9): $said"
# Not as root: it was never run here before.
says=$(sudo -n -u nobody /usr/bin/env HOME=/var/empty "$part/ollama" --version 2>&1) || refuse "The binary of $url does not run on this Mac: $says"
case $says in
*"$version"*) ;;
*) refuse "The binary of $url says \"$says\" instead of $version (ollama_version)." ;;
esac
mv "$part" "$install/$version"
