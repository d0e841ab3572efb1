# Copyright: (c) 2026, The llmfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Print the address with which this machine reaches a host. No packet is sent: connecting a UDP socket only asks for the route."""

from __future__ import annotations

import socket
import sys

found = socket.getaddrinfo(sys.argv[1], 9, type=socket.SOCK_DGRAM)[0]
with socket.socket(found[0], socket.SOCK_DGRAM) as route:
    route.connect(found[4])
    print(route.getsockname()[0].partition("%")[0])
