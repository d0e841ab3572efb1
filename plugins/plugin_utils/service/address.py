# Copyright: (c) 2026, The llmfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where the server listens, under which address it is asked, and who may ask."""

from __future__ import annotations

import ipaddress

from .contract import GATEWAY

# 10.0.0.0/8 and fc00::/7. Wider is the internet: 2000::/3 is all of it.
_WIDEST = {"ipv4": 8, "ipv6": 7}
EVERYWHERE = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}


def address_sets(addresses):
    """Split addresses and networks by family, without what a wider one of them holds already."""
    networks, refused = {4: [], 6: []}, []
    for entry in addresses:
        try:
            network = ipaddress.ip_network(str(entry).strip(), strict=False)
        except ValueError:
            refused.append(str(entry))
        else:
            networks[network.version].append(network)
    texts = {}
    for family, found in networks.items():
        whole = ipaddress.collapse_addresses(found)
        texts[family] = [str(n.network_address) if n.num_addresses == 1 else str(n) for n in whole]
    return {"ipv4": texts[4], "ipv6": texts[6], "refused": refused}


def everybody(addresses):
    """The networks among these, or that they make together, which hold every address of their family, or more of it than any private network does."""
    sets = address_sets(addresses)
    return [network for family, widest in _WIDEST.items() for network in sets[family] if "/" in network and int(network.partition("/")[2]) < widest]


def is_loopback(host):
    return host in ("localhost", "::1") or host.startswith("127.")


def is_address(host):
    return host == "localhost" or ("/" not in host and not address_sets([host])["refused"])


def guarded(wish):
    """Does the role keep a door before the port?"""
    return not is_loopback(wish.host) and wish.firewall == "managed"


def _bracketed(host):
    return "[%s]" % host if ":" in host else host


def addresses(wish, around):
    """bind: what the server gets as OLLAMA_HOST, always with the port and never with a scheme (http://x would mean port 80). local: an URL on the
    host itself that works for the bind address. cli: the same without a scheme. url: for others."""
    local = EVERYWHERE.get(wish.host, _bracketed(wish.host))
    outside = _bracketed(around.address if wish.host in EVERYWHERE else wish.host)
    return {
        "bind": "%s:%d" % (_bracketed(wish.host), wish.port),
        "local": "http://%s:%d" % (local, wish.port),
        "cli": "%s:%d" % (local, wish.port),
        "url": "http://%s:%d" % (outside, wish.port),
    }


def listener_url(listener):
    """Where a listener such as 0.0.0.0:11434 or [::]:11434 can be asked on the host itself; None for none."""
    if not listener:
        return None
    host, _colon, port = listener.rpartition(":")
    return "http://%s:%s" % ({"0.0.0.0": "127.0.0.1", "*": "127.0.0.1", "[::]": "[::1]"}.get(host, host), port)


def askers(allowed_groups, groups, past_gateway):
    """Hosts of the inventory that come in: those of the allowed groups; in a fleet with a gateway that alone, and who does not reach it."""
    if groups.get(GATEWAY):
        return {*groups[GATEWAY], *past_gateway}
    return {host for group in allowed_groups for host in groups.get(group, ())}


def door_names(wish, around):
    """Each of them by its address if the inventory has one, else by the name, which the host itself resolves."""
    if not guarded(wish):
        return ()
    members = askers(wish.allowed_groups, around.groups, around.past_gateway) - {around.host}
    return tuple(sorted({around.addresses.get(host) or host for host in members}))


def networks_of(around):
    """The wish that says which networks reach the host itself: those of the users come to the gateway where there is one."""
    return "direct_cidrs" if around.groups.get(GATEWAY) else "allowed_cidrs"


def admitted(wish, around, look):
    """address_sets() of all who may come in; what a host resolved to something odd is in `refused` and stays outside."""
    entries = list(getattr(wish, networks_of(around)))
    for entry in look["resolved"]:
        entries += entry["addresses"]
    # The host may know where the controller comes from, or the controller itself; each as far as it is told.
    if wish.admit_controller:
        entries += [address for address in (look["controller"], around.controller) if address]
    return address_sets(entries)
