# Copyright: (c) 2026, The llmfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The container that the role runs, as options of community.docker.docker_container."""

from __future__ import annotations

from ansible_collections.llmfleet.ollama.plugins.module_utils.gateway.client import TRUST_FOLDER
from ansible_collections.llmfleet.ollama.plugins.plugin_utils.web_ui import address, environment, front
from ansible_collections.llmfleet.ollama.plugins.plugin_utils.web_ui.wish import Wish

# Podman describes volumes and capabilities in other words than it was given, so that they would differ for ever.
COMPARED_BY_PODMAN = {"volumes": "ignore", "cap_drop": "ignore"}


def describe(wish: Wish, network_mode: str, podman: bool, command: list, trusts: bool = False) -> dict:
    """command: what the image would run; trusts: it has to trust the fleet's own authority. published_ports and
    etc_hosts are missing where the container shares the host's network."""
    on_host_network = network_mode == "host"
    # nocopy: the engine would give the volume the image's owner again.
    # z: where SELinux is enforced, a container may read no folder of the host that does not carry the containers' label; elsewhere it means nothing.
    options = "rw,z" if wish.data.startswith("/") else "rw,nocopy"
    found = {
        "image": wish.image_ref,
        "user": wish.user,
        "command": command,
        "network_mode": network_mode,
        "entrypoint": ["/bin/sh", "-c", '. %s/environment && exec "$@"' % environment.SECRETS_MOUNT, "open-webui"],
        "volumes": [
            "%s:%s:%s" % (wish.data, environment.DATA_DIR, options),
            "%s:%s:ro,z" % (wish.secrets_dir, environment.SECRETS_MOUNT),
            *(["%s/%s:%s:ro,z" % (wish.config_dir, TRUST_FOLDER, front.TRUSTED)] if trusts else []),
        ],
        "env": {**({"SSL_CERT_DIR": front.SSL_CERT_DIR} if trusts else {}), **environment.public(wish, on_host_network)},
        # Podman calls an image that is asked for by its digest by its tag; the identities are compared in any case.
        "image_name_mismatch": "ignore" if podman else "recreate",
    }
    if not on_host_network:
        found["published_ports"] = ["%s:%s:%d" % (address.bracketed(wish.bind_address), wish.port, address.INNER_PORT)]
        found["etc_hosts"] = {"host.docker.internal": "host-gateway"}
    return found


def ready_url(wish: Wish, network_mode: str) -> str:
    """Where the health check asks, from inside the container."""
    on_host_network = network_mode == "host"
    inner = address.bracketed(address.inner_address(wish, on_host_network))
    return "http://%s:%d/ready" % (inner, address.inner_port(wish, on_host_network))
