# Copyright: (c) 2026, The llmfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""From the inventory's Ollama hosts to the connections of one Open WebUI."""

from __future__ import annotations

DEFAULT_PORT = 11434


def open_webui_backends(hosts, hostvars, me, network_mode, prefixes=True):
    """One connection for each host, named as Open WebUI has to call it from its container on host `me`."""
    short = {host: host.split(".")[0] for host in hosts}
    unique = len(set(short.values())) == len(short)
    found = []
    for host in hosts:
        variables = hostvars[host]
        found.append(
            {
                "url": _url(host, variables, me, network_mode),
                "prefix_id": variables.get("open_webui_backend_prefix") or ((short[host] if unique else host) if prefixes else ""),
                "key": variables.get("open_webui_backend_key") or "",
            }
        )
    return found


def _url(host, variables, me, network_mode):
    if variables.get("open_webui_backend_url"):
        return variables["open_webui_backend_url"].rstrip("/")
    port = variables.get("ollama_port") or DEFAULT_PORT
    if host == me:
        # The host's own server: over loopback where the container shares the host's network, else over its gateway.
        address = "127.0.0.1" if network_mode == "host" else "host.docker.internal"
    else:
        address = variables.get("ansible_host") or host
    return f"http://{f'[{address}]' if ':' in address else address}:{port}"


class FilterModule:
    """Filters of role open_webui."""

    def filters(self):
        return {"open_webui_backends": open_webui_backends}
