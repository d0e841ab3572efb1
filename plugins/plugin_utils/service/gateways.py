# Copyright: (c) 2026, The llmfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which gateways a fleet has, and which of them a host of the inventory can reach."""

from __future__ import annotations

from .address import is_loopback
from .contract import GATEWAY


def gateways_of(groups, hostvars):
    """The hosts that shall have one."""
    return [host for host in groups.get(GATEWAY) or () if (hostvars[host].get("gateway_state") or "present") == "present"]


def reached_from(groups, hostvars, me):
    """Those that host `me` reaches, its own before another."""
    found = sorted(gateways_of(groups, hostvars), key=[me].count, reverse=True)
    return [host for host in found if host == me or not is_loopback(str(hostvars[host].get("gateway_host") or ""))]
