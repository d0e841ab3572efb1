# Copyright: (c) 2026, The llmfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The way to a simulated Mac: this machine, but not called `local`, as a Mac in a fleet is not the controller."""

from __future__ import annotations

from ansible.plugins.connection.local import Connection as LocalConnection

DOCUMENTATION = """
    name: mac
    short_description: connect to a simulated Mac
    description: [Test helper of tests/stubs.]
    extends_documentation_fragment: [connection_pipelining]
"""


class Connection(LocalConnection):
    transport = "llmfleet_stubs.host.mac"
