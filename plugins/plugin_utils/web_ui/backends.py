# Copyright: (c) 2026, The llmfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""From the inventory's Ollama hosts to the connections of one Open WebUI."""

from __future__ import annotations

import difflib

from ansible_collections.llmfleet.ollama.plugins.plugin_utils.web_ui import front

DEFAULT_PORT = 11434
# The role's default.
CONFIG_DIR = "/etc/open-webui"
KEYS = ("url", "prefix_id", "key", "key_file", "connection_type")
# What people write for them, beside slips of the pen.
MEANT = {"prefix": "prefix_id", "name": "prefix_id", "host": "url", "address": "url", "base_url": "url", "token": "key", "api_key": "key"}


def resolved_mode(network_mode, hosts, me):
    """host or bridge. An Ollama on the same host is reached over loopback, so nothing has to be opened for it; else the container keeps its own network."""
    if network_mode != "auto":
        return network_mode
    return "host" if me in hosts else "bridge"


def open_webui_backends(hosts, hostvars, me, network_mode, prefixes=True):
    """One connection for each host, named as Open WebUI has to call it from its container on host `me`; in a fleet with a gateway that alone."""
    gateway = front.front_of(hostvars, me)
    if gateway:
        return [front.backend(gateway, hostvars[me].get("open_webui_config_dir") or CONFIG_DIR)]
    network_mode = resolved_mode(network_mode, hosts, me)
    short = {host: host.split(".")[0] for host in hosts}
    unique = len(set(short.values())) == len(short)
    found = []
    for host in hosts:
        variables = hostvars[host]
        found.append(
            {
                "url": backend_url(host, variables, me, network_mode),
                "prefix_id": variables.get("open_webui_backend_prefix") or ((short[host] if unique else host) if prefixes else ""),
                "key": variables.get("open_webui_backend_key") or "",
            }
        )
    return found


def backend_url(host, variables, me, network_mode):
    if variables.get("open_webui_backend_url"):
        return variables["open_webui_backend_url"].rstrip("/")
    port = variables.get("ollama_port") or DEFAULT_PORT
    if host == me:
        # The host's own server: over loopback where the container shares the host's network, else over its gateway.
        address = "127.0.0.1" if network_mode == "host" else "host.docker.internal"
    else:
        address = variables.get("ansible_host") or host
    return f"http://{f'[{address}]' if ':' in address else address}:{port}"


def open_webui_backend_problems(backends):
    """One sentence for each entry of `open_webui_backends` that a user wrote wrongly."""
    said = []
    for number, backend in enumerate(backends):
        where = f"open_webui_backends[{number}]"
        if not isinstance(backend, dict):
            said.append(f"{where} is {backend!r}; write a dictionary such as {{url: 'http://10.0.0.5:11434', prefix_id: gpu1}}.")
            continue
        for key in sorted(set(backend) - set(KEYS)):
            meant = MEANT.get(key) or next(iter(difflib.get_close_matches(key, KEYS, n=1)), None)
            way = f"did you mean {meant}?" if meant else f"it has {', '.join(KEYS)}."
            said.append(f"{where} has the unknown key {key}: {way}")
        if not backend.get("url") and not any(MEANT.get(key) == "url" for key in backend):
            said.append(f"{where} has no url; write the server's address as Open WebUI should call it, such as http://10.0.0.5:11434.")
    return said
