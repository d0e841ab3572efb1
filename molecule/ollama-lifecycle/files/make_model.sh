#!/bin/bash
# Copyright: (c) 2026, The llmfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# A model of random bytes, as the service would have stored it: make_model.sh STORE NAME MEGABYTES
set -euo pipefail
store=$1 name=$2 megabytes=$3
manifest=$store/manifests/registry.ollama.ai/library/$name
mkdir -p "$store/blobs" "$manifest"
digest() { sha256sum "$1" | cut -d' ' -f1; }
head -c "$((megabytes << 20))" /dev/urandom >/tmp/weights
printf '{"model_format":"gguf"}' >/tmp/config
weights=$(digest /tmp/weights) config=$(digest /tmp/config)
cat >"$manifest/latest" <<END
{"schemaVersion":2,"mediaType":"application/vnd.docker.distribution.manifest.v2+json",
"config":{"mediaType":"application/vnd.docker.container.image.v1+json","digest":"sha256:$config","size":$(stat -c %s /tmp/config)},
"layers":[{"mediaType":"application/vnd.ollama.image.model","digest":"sha256:$weights","size":$((megabytes << 20))}]}
END
mv /tmp/weights "$store/blobs/sha256-$weights"
mv /tmp/config "$store/blobs/sha256-$config"
chown -R ollama:ollama "$store"
