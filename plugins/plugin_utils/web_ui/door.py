# Copyright: (c) 2026, The llmfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Who may reach the web UI's port. An engine publishes it past the host's own firewall, so a table of ours stands before the engine."""

from __future__ import annotations

import datetime

from ansible_collections.llmfleet.ollama.plugins.plugin_utils.problems import found
from ansible_collections.llmfleet.ollama.plugins.plugin_utils.service.address import address_sets, everybody, is_loopback
from ansible_collections.llmfleet.ollama.plugins.plugin_utils.service.door import Door, identity
from ansible_collections.llmfleet.ollama.plugins.plugin_utils.service.render import render
from ansible_collections.llmfleet.ollama.plugins.plugin_utils.web_ui.address import INNER_PORT
from ansible_collections.llmfleet.ollama.plugins.plugin_utils.web_ui.wish import Wish

DOOR = Door("open_webui", "open-webui", "Open WebUI", "docker.service podman.service podman-restart.service", "llmfleet-open-webui.conf", "llmfleet-open-webui")
# What module open_webui_probe is asked of it.
LOOK = {"unit": DOOR.unit, "gone": DOOR.gone}


def guarded(wish: Wish) -> bool:
    """Whether a door is kept. Loopback needs none."""
    return wish.allowed_cidrs is not None and not is_loopback(wish.bind_address)


def problems(wish: Wish) -> list:
    """Of the wishes alone."""
    cidrs = wish.allowed_cidrs or []
    refused, open_to_all = address_sets(cidrs)["refused"], everybody(cidrs)
    return found(
        (
            refused,
            "no_network",
            "open_webui_allowed_cidrs",
            "open_webui_allowed_cidrs has %s; write addresses or networks such as 10.20.0.0/16 or fd00::/8." % ", ".join(refused),
        ),
        (
            open_to_all and guarded(wish) and not wish.accept_open_port,
            "everybody_admitted",
            "open_webui_allowed_cidrs",
            "open_webui_allowed_cidrs admits everybody (%s) to the page that asks for passwords; write the networks of your users, or set "
            "open_webui_accept_open_port to true if that is meant." % ", ".join(open_to_all),
        ),
    )


def warnings(wish: Wish, seen: dict) -> list:
    """What works, and not as one would think."""
    if is_loopback(wish.bind_address):
        return []
    gone = seen["door"]["gone_at"] if guarded(wish) else None
    told = (
        (
            wish.allowed_cidrs is None and not wish.accept_open_port,
            "The engine publishes port %s (open_webui_port) to everybody who reaches this host, past ufw and firewalld; set open_webui_allowed_cidrs to "
            "the networks of your users, open_webui_bind_address to 127.0.0.1 behind a proxy, or open_webui_accept_open_port to true if that is meant."
            % wish.port,
        ),
        (
            not wish.url.startswith("https://"),
            "Passwords and chats of Open WebUI cross the network unencrypted; put a proxy with TLS before it, and set open_webui_url to its https:// address "
            "and open_webui_bind_address to 127.0.0.1.",
        ),
        (
            gone is not None,
            "Somebody removed the firewall rules of port %s (open_webui_port) on this host, and at %s its guard put them back; find out what flushes nftables "
            "there, and remove %s to be told of the next time only." % (wish.port, _moment(gone), DOOR.gone),
        ),
    )
    return [sentence for wrong, sentence in told if wrong]


def _moment(seconds: int | None) -> str:
    return datetime.datetime.fromtimestamp(seconds or 0, datetime.timezone.utc).strftime("%Y-%m-%d %H:%M UTC")


def plan(wish: Wish, seen: dict, on_host_network: bool, act: bool) -> dict:
    """steps, and options of module firewall_door: before the container changes (its old port stays guarded), after it has, and for the removal."""
    wanted = guarded(wish) and wish.state == "present"
    old = sorted(set(seen["container"]["ports"]) - {wish.port_number})
    return {
        "steps": {
            "door": wanted,
            "install_nft": wanted and act and not seen["door"]["nft"],
            "narrow_door": wanted and act and bool(old),
            "remove_door": seen["door"]["unit"] and not wanted,
        },
        "doors": {
            "before": _options(wish, seen, on_host_network, [wish.port_number, *old]),
            "after": _options(wish, seen, on_host_network, [wish.port_number]),
            "absent": _absent(),
        },
    }


def _options(wish: Wish, seen: dict, on_host_network: bool, ports: list) -> dict:
    admitted = address_sets([*(wish.allowed_cidrs or []), *([seen["controller"]] if seen["controller"] else [])])
    inner = None if on_host_network else INNER_PORT
    unique = identity(ports, inner, admitted["ipv4"], admitted["ipv6"])
    rules = render("linux/open-webui.nft.j2", ports=ports, inner=inner, ipv4=admitted["ipv4"], ipv6=admitted["ipv6"], id=unique)
    return {
        "state": "present",
        "table": DOOR.table,
        "id": unique,
        "rules": DOOR.rules,
        "units": [DOOR.unit, DOOR.watch],
        "files": [{"path": path, "content": content} for path, content in DOOR.files(rules)],
    }


def _absent() -> dict:
    return {"state": "absent", "units": [DOOR.unit, DOOR.watch], "files": [{"path": path} for path, _content in DOOR.files("")]}
