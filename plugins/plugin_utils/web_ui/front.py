# Copyright: (c) 2026, The llmfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The fleet's gateway as a web UI sees it: one address in the place of all hosts, with a key of its own."""

from __future__ import annotations

import typing

from ansible.module_utils.parsing.convert_bool import boolean
from ansible_collections.llmfleet.ollama.plugins.module_utils.gateway.client import KEY_FILE
from ansible_collections.llmfleet.ollama.plugins.plugin_utils.gateway.plan import proved_url
from ansible_collections.llmfleet.ollama.plugins.plugin_utils.gateway.wish import DEFAULTS, certificate_of
from ansible_collections.llmfleet.ollama.plugins.plugin_utils.service.gateways import reached_from

# Where the container finds whom it trusts: the image's own folder, and ours. OpenSSL looks for a certificate by the checksum of its subject.
TRUSTED = "/run/llmfleet-trust"
SSL_CERT_DIR = "/etc/ssl/certs:" + TRUSTED


class Front(typing.NamedTuple):
    """host: a gateway's name in the inventory; own: whether the fleet's own authority signs its certificate; page: whether it serves Open WebUI, too."""

    host: str
    url: str
    own: bool
    page: bool = False


def front_of(hostvars, me: str) -> Front | None:
    """The gateway that the web UI on host `me` asks, its own host's before another; None where the fleet has none that it can reach."""
    groups = (hostvars[me].get("groups") if me in hostvars else None) or {}
    for host in reached_from(groups, hostvars, me)[:1]:
        wish = _wish(hostvars[host])
        address = hostvars[host].get("ansible_host") or host
        return Front(host, proved_url(wish, address), certificate_of(wish) == "own", wish["web_ui"])
    return None


def _wish(variables) -> dict:
    """Of another host of the inventory, where the role's defaults are not at hand."""
    found = {name: variables.get("gateway_" + name, default) for name, default in DEFAULTS.items()}
    words = {name: boolean(found[name], strict=False) for name in ("accept_plain_http", "web_ui")}
    return {**found, **words, "host": str(found["host"]), "port": int(found["port"])}


def backend(front: Front, config_dir: str) -> dict:
    """The connection. The key lies on the host of the web UI, and nowhere else."""
    return {"url": front.url, "prefix_id": "", "key_file": "%s/%s" % (config_dir, KEY_FILE)}


def used(front: Front | None, backends: list) -> Front | None:
    """The gateway, if it is one of these connections: an inventory may have said otherwise."""
    return front if front and any(entry.get("url", "").rstrip("/") == front.url for entry in backends if isinstance(entry, dict)) else None
