# Copyright: (c) 2026, The llmfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Lead what Ansible does on a simulated host to that host; hosts without `stub_state` are real and stay so.

* Modules of ansible.builtin cannot be shadowed by a collection path: calls of role ollama, and what the playbooks read, become
  llmfleet_stubs.builtin.*. What a scenario's own plays do stays real.
* The probes of vram_facts and look answer with the machine's recorded observation and its state, first_contact with its facts; a wait for a
  server asks the simulated one.
* A module that `followed` runs is its stub, and over at once: the following itself is tested in tests/unit/plugins/action.
* Module ollama_models runs for real, in this machine's Python instead of the Mac's: the Mac's loopback is its `ansible_host`, and its
  file of local facts lies beside its state.

All of it is done in the process that forks the workers.
"""

from __future__ import annotations

import importlib
import re
from pathlib import Path

from ansible.executor.task_executor import TaskExecutor
from ansible.plugins.action import ActionBase
from ansible.plugins.callback import CallbackBase

DOCUMENTATION = """
    name: stub_hosts
    type: aggregate
    short_description: lead what Ansible does on a simulated host to that host
    description: [Test helper of tests/stubs.]
"""

OF_ROLE = {"command", "copy", "file", "group", "setup", "user"}
OF_PLAYBOOKS = {"setup", "slurp"}
ROLE = "ollama"
PLAYBOOKS = Path(__file__).resolve().parents[3] / "playbooks"
OF_HOST = {
    "ansible.builtin.setup",
    "llmfleet.ollama.vram_probe", "llmfleet.ollama.win_vram_probe", "llmfleet.ollama.look_probe", "llmfleet.ollama.win_look_probe",
    "llmfleet.ollama.ollama_store_move", "llmfleet.ollama.wait_for_server", "llmfleet.ollama.win_host_change",
}


def simulated(variables):
    return "stub_state" in (variables or {})


def lead_builtin(real):
    def chosen(executor, templar):
        task = executor._task
        collection, _dot, name = task.action.rpartition(".")
        if collection == "ansible.builtin" and name in OF_ROLE | OF_PLAYBOOKS and simulated(templar.available_variables):
            of_role = name in OF_ROLE and task._role and task._role.get_name().split(".")[-1] == ROLE
            if of_role or (name in OF_PLAYBOOKS and PLAYBOOKS in Path(task.get_path()).resolve().parents):
                task.action = f"llmfleet_stubs.builtin.{name}"
        return real(executor, templar)

    return chosen


def stubbed(action, name, args, task_vars):
    """The stub of a module that another action runs in the background: here it is over at once."""
    namespace, collection, module = name.split(".")
    if (namespace, collection) == ("ansible", "builtin"):
        namespace = "llmfleet_stubs"
    stub = importlib.import_module(f"ansible_collections.{namespace}.{collection}.plugins.action.{module}").ActionModule
    task = action._task.copy()
    task.args, task.async_val = args, 0
    known = {key: getattr(action, f"_{key}") for key in ("connection", "play_context", "loader", "templar", "shared_loader_obj")}
    return stub(task=task, **known).run(task_vars=task_vars)


def lead_modules(real):
    def execute(action, module_name=None, module_args=None, *rest, task_vars=None, **more):
        # A task without an action plugin of its own names its module nowhere else.
        name = module_name or action._task.action
        if simulated(task_vars) and name == "llmfleet.ollama.host_change":
            # A Mac: nobody else is here, and nobody will come. What the real module does, tests/unit/plugins/module_utils/change.
            change = (module_args or action._task.args).get("change")
            return {"changed": False, "record": {"before": change["before"]} if change and not action._task.check_mode else None}
        if simulated(task_vars) and name in OF_HOST:
            module_args = module_args or action._task.args
            from ansible_collections.llmfleet_stubs.host.plugins.plugin_utils.stub import HOSTS

            host = HOSTS[task_vars["stub_platform"]](action._templar.template(task_vars["stub_state"]), action._task.check_mode)
            try:
                return host.call(name, module_args, module_args)
            finally:
                host.close()
        if simulated(task_vars) and action._task.action == "llmfleet.ollama.followed":
            return stubbed(action, name, module_args, task_vars)
        if simulated(task_vars) and module_name == "llmfleet.ollama.ollama_models":
            facts = Path(action._templar.template(task_vars["stub_state"])).with_suffix(".facts")
            loopback = action._templar.template(task_vars["ansible_host"])
            url = re.sub(r"//127\.0\.0\.1(?=[:/])", f"//{loopback}", module_args["api_url"])
            # It runs in this machine's Python, and would take this machine.
            module_args = {**module_args, "api_url": url, "proofs_path": str(facts), "models_dir": None, "holder": None}
        return real(action, module_name, module_args, *rest, task_vars=task_vars, **more)

    return execute


class CallbackModule(CallbackBase):
    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = "aggregate"
    CALLBACK_NAME = "stub_hosts"
    CALLBACK_NEEDS_ENABLED = True

    def __init__(self):
        super().__init__()
        TaskExecutor._get_action_handler_with_module_context = lead_builtin(TaskExecutor._get_action_handler_with_module_context)
        ActionBase._execute_module = lead_modules(ActionBase._execute_module)
