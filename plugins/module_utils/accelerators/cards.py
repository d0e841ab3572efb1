# Copyright: (c) 2026, The llmfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the cards of all vendors have in common under Linux: nodes, and the step that reads their files."""

from __future__ import annotations

from ansible_collections.llmfleet.ollama.plugins.module_utils.accelerators import parse
from ansible_collections.llmfleet.ollama.plugins.module_utils.accelerators.device import warn

HOW = {"timeout": "timeout", "crashed": "probe_crashed"}


def check_nodes(found, row, observation, others=()):
    """Existence is not permission: the probe tried each node for its own user."""
    nodes = parse.table(observation.get("nodes"))
    wanted = ["/dev/dri/%s" % row.get("render_node")] + list(others)
    answers = [nodes.get(path) for path in wanted]
    found["accessible"] = True in answers
    if not found["accessible"]:
        warn(found, "no_permission" if False in answers else "device_node_missing")


def step_failure(observation, address):
    """The code of the warning for a card whose files could not be read to the end, or None."""
    for probe in parse.rows(observation.get("probes")):
        if probe.get("name") == "sysfs":
            for step in parse.rows(probe.get("failed_steps")):
                if step.get("step") == address:
                    return HOW.get(parse.text(step.get("how")))
    return None
