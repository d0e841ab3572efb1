# Copyright: (c) 2026, The llmfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where one web UI is reached: from the host, from inside its container, and by people."""

from __future__ import annotations

from ansible_collections.llmfleet.ollama.plugins.plugin_utils.web_ui.wish import EVERYWHERE, Wish

INNER_PORT = 8080


def bracketed(address: str) -> str:
    """As an address of IPv6 stands in a URL."""
    return "[%s]" % address if ":" in address else address


def local_address(wish: Wish) -> str:
    return "127.0.0.1" if wish.bind_address in EVERYWHERE else wish.bind_address


def local_url(wish: Wish) -> str:
    return "http://%s:%s" % (bracketed(local_address(wish)), wish.port)


def public_url(wish: Wish, me: str, address: str, connection: str) -> str:
    """What people type: the address that they chose, or one that works for the reader.

    me, address: the host's name and ansible_host; connection: how Ansible reaches it, "local" where the reader sits at it.
    """
    if wish.url:
        return wish.url.removesuffix("/")
    everywhere = wish.bind_address in EVERYWHERE
    if wish.bind_address == "::1" or wish.bind_address.startswith("127.") or (connection == "local" and everywhere):
        name = "localhost"
    else:
        name = (address or me) if everywhere else wish.bind_address
    return "http://%s:%s" % (bracketed(name), wish.port)


def inner_port(wish: Wish, on_host_network: bool) -> int:
    return wish.port_number if on_host_network else INNER_PORT


def inner_address(wish: Wish, on_host_network: bool) -> str:
    """Where the server inside the container is asked by the container itself."""
    return local_address(wish) if on_host_network else "127.0.0.1"
