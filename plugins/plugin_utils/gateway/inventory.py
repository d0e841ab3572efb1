# Copyright: (c) 2026, The llmfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The variables of role gateway as Ansible has them."""

from __future__ import annotations

from ansible.module_utils.common.arg_spec import ArgumentSpecValidator

# A wrong value is refused by the name of the variable that the user has written.
PREFIX = "gateway_"
WISHES = {
    "state": {"type": "str", "choices": ["present", "absent"], "required": True},
    "host": {"type": "str", "required": True},
    "port": {"type": "int", "required": True},
    "metrics_port": {"type": "int", "required": True},
    "keys": {"type": "list", "required": True, "no_log": True},
    "accept_no_keys": {"type": "bool", "required": True},
    "accept_plain_http": {"type": "bool", "required": True},
    "allowed_cidrs": {"type": "list", "elements": "str", "required": True},
    "redirect_port": {"type": "int", "required": True},
    "web_ui": {"type": "bool", "required": True},
    "tls_names": {"type": "list", "elements": "str", "required": True},
    "tls_certificate": {"type": "str", "required": True},
    "tls_key": {"type": "str", "required": True, "no_log": False},
    "max_body_bytes": {"type": "int", "required": True},
    "max_connections": {"type": "int", "required": True},
    "queue_requests": {"type": "int", "required": True},
    "queue_seconds": {"type": "int", "required": True},
    "timeout_seconds": {"type": "int", "required": True},
}


def wish_of(task_vars, template) -> tuple:
    """(the role's variables without their prefix, why they cannot be read). Their defaults are there while the role runs."""
    given = {PREFIX + name: template(task_vars[PREFIX + name]) for name in WISHES if PREFIX + name in task_vars}
    checked = ArgumentSpecValidator({PREFIX + name: kind for name, kind in WISHES.items()}).validate(given)
    return {name.removeprefix(PREFIX): value for name, value in checked.validated_parameters.items()}, " ".join(checked.error_messages)
