# Copyright: (c) 2026, The llmfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The two files of a mirror: nginx's site, and the unit of the Ollama that fills the store."""

from __future__ import annotations

import re

# What nginx serves, the same on every mirror. A tag may move; a blob's answer needs Location, without which Ollama's client refuses it.
_LOCATIONS = r"""
  location ~ "^/v2/(?<namespace>[A-Za-z0-9_-]+)/(?<model>[A-Za-z0-9._-]+)/manifests/(?<tag>[A-Za-z0-9._-]+)$" {
    limit_except GET { deny all; }
    default_type application/vnd.docker.distribution.manifest.v2+json;
    # A tag may move.
    add_header Cache-Control no-cache;
    try_files /manifests/registry.ollama.ai/$namespace/$model/$tag =404;
  }

  location ~ "^/v2/[A-Za-z0-9_-]+/[A-Za-z0-9._-]+/blobs/sha256:(?<digest>[0-9a-f]{64})$" {
    limit_except GET { deny all; }
    default_type application/octet-stream;
    sendfile on;
    tcp_nopush on;
    # Ollama's client refuses an answer without it, also when it is no redirect.
    add_header Location $request_uri;
    try_files /blobs/sha256-$digest =404;
  }

  # Releases of Ollama, as GitHub lays them out.
  location ~ "^/releases/v[0-9][^/]*/[^/]+$" {
    limit_except GET { deny all; }
    default_type application/octet-stream;
    sendfile on;
    tcp_nopush on;
    try_files $uri =404;
  }

  location / {
    return 404;
  }
}
"""
_HARDENING = """\
UMask=0022
NoNewPrivileges=yes
CapabilityBoundingSet=
ProtectSystem=strict
ReadWritePaths=%(store)s/ollama %(store)s/home
ProtectHome=yes
PrivateTmp=yes
PrivateDevices=yes
ProtectKernelModules=yes
ProtectKernelTunables=yes
ProtectControlGroups=yes
RestrictAddressFamilies=AF_INET AF_INET6 AF_UNIX
RestrictNamespaces=yes
RestrictSUIDSGID=yes
LockPersonality=yes
SystemCallArchitectures=native
"""
# The filling server takes orders from whoever reaches it: on loopback that is root alone, where nftables is on the host.
_DOOR = """\
ExecStartPre=-+/bin/sh -c 'nft "add table inet %(table)s; flush table inet %(table)s; \
add chain inet %(table)s output { type filter hook output priority 0; }; \
add rule inet %(table)s output oifname lo tcp dport %(ollama_port)d meta skuid != 0 reject with tcp reset"'
ExecStopPost=-+/bin/sh -c 'nft delete table inet %(table)s'
"""
_TABLE = "llmfleet_mirror_fill"
# What the unit leaves alone where the user names nothing.
NO_PROXY = ("localhost", "127.0.0.1")


def site(wish: dict, ipv6: bool) -> str:
    """nginx's site. ipv6: whether the kernel speaks it; nginx refuses an address that it cannot have."""
    certificate = wish["tls_certificate"]
    port = "%d%s" % (wish["port"], " ssl" if certificate else "")
    lines = ["# Written by role llmfleet.ollama.model_mirror. It serves a store of Ollama models to `ollama pull`.", "server {"]
    lines += ["  listen %s;" % port] + (["  listen [::]:%s;" % port] if ipv6 else [])
    lines += ["  server_name %s;" % " ".join(wish["server_names"])]
    if certificate:
        lines += ["  ssl_certificate %s;" % certificate, "  ssl_certificate_key %s;" % wish["tls_key"]]
    lines += ["  root %s/public;" % wish["store"], "  access_log /var/log/nginx/model-mirror.log;"]
    if wish["allowed_cidrs"]:
        lines += ["", "  allow 127.0.0.1;", *("  allow %s;" % cidr for cidr in wish["allowed_cidrs"]), "  deny all;"]
    return "\n".join(lines) + "\n" + _LOCATIONS


def unit(wish: dict, program: str, environment_path: str) -> str:
    """The systemd unit that fills the store. program: path of its `ollama`; environment_path: of the file that environment() fills."""
    lines = [
        "# Written by role llmfleet.ollama.model_mirror, which starts it to fill the store and stops it afterwards.",
        "[Unit]",
        "Description=Ollama that fills the model mirror",
        "After=network-online.target",
        "Wants=network-online.target",
        "",
        "[Service]",
        "ExecStart=%s serve" % program,
        "User=%(user)s" % wish,
        "Group=%(user)s" % wish,
        "Environment=HOME=%(store)s/home" % wish,
        "Environment=OLLAMA_HOST=127.0.0.1:%(ollama_port)d" % wish,
        "Environment=OLLAMA_MODELS=%(store)s/ollama" % wish,
        "# The role removes what is no longer named; Ollama itself would not know what is served.",
        "Environment=OLLAMA_NOPRUNE=1",
        "# It pulls, and calls nobody else.",
        "Environment=OLLAMA_NO_CLOUD=1",
    ]
    if wish["https_proxy"]:
        lines.append("EnvironmentFile=%s" % environment_path)
    return "\n".join(lines) + "\n" + _DOOR % dict(wish, table=_TABLE) + _HARDENING % wish


def environment(wish: dict) -> str:
    """What the filling Ollama gets and nobody else may read: the proxy may have a password, and a percent sign in it means nothing here. Empty
    without a proxy."""
    if not wish["https_proxy"]:
        return ""
    spared = NO_PROXY if wish["no_proxy"] is None else wish["no_proxy"]
    return "# Written by role llmfleet.ollama.model_mirror.\nHTTPS_PROXY=%s\nNO_PROXY=%s\n" % (_quoted(wish["https_proxy"]), _quoted(",".join(spared)))


def _quoted(text: str) -> str:
    return '"%s"' % re.sub(r'(["\\`$])', r"\\\1", text)
