# Copyright: (c) 2026, The llmfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Run the first module of a run on a host, and say what keeps modules from working there."""

from __future__ import annotations

from ansible.errors import AnsibleActionFail, AnsibleConnectionFailure, AnsibleError
from ansible_collections.llmfleet.ollama.plugins.plugin_utils import contact


def run_first(module, task_vars):
    """The result of `module()`, or one of one sentence where the reason lies in the way to the host (sudo, Python)."""
    try:
        result = module()
    except AnsibleConnectionFailure:
        # A host that is off is unreachable, which Ansible tells by itself.
        raise
    except AnsibleError as error:
        sentence = _why(task_vars, str(error), "", None, {})
        if sentence:
            raise AnsibleActionFail(sentence) from None
        raise
    if result.get("failed") or result.get("rc"):
        found = result.get("ansible_facts") or {}
        sentence = _why(task_vars, str(result.get("msg") or ""), str(result.get("module_stderr") or ""), result.get("rc"), found)
        if sentence:
            # Without the traceback and the empty output that would be shown beside it.
            return {"failed": True, "changed": False, "msg": sentence}
    return result


def _why(task_vars, message, errors, code, found):
    python = task_vars.get("ansible_python_interpreter")
    if not python or python.startswith("auto"):
        python = found.get("discovered_interpreter_python")
    return contact.why(task_vars.get("inventory_hostname", "the host"), message, errors, code, python)
