# Copyright: (c) 2026, The llmfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs module ollama_models where Python is, and shows how far a download has come.

The module is sent to the host once. When there is nothing to fetch, that is all. Otherwise it leaves a process of its own there and
says where that one tells how far it is; here that file is read every few seconds with the host's shell, which costs no module run.
"""

from __future__ import annotations

import contextlib
import os
import tempfile
from urllib.parse import urlsplit, urlunsplit

from ansible.errors import AnsibleActionFail, AnsibleConnectionFailure, AnsibleError
from ansible.module_utils.common.arg_spec import ArgumentSpecValidator
from ansible.plugins.action import ActionBase
from ansible.utils.display import Display
from ansible_collections.llmfleet.ollama.plugins.module_utils.defaults import PORT
from ansible_collections.llmfleet.ollama.plugins.module_utils.errors import Failure
from ansible_collections.llmfleet.ollama.plugins.module_utils.models.converge import Converger
from ansible_collections.llmfleet.ollama.plugins.module_utils.models.wants import downloads, read_wants
from ansible_collections.llmfleet.ollama.plugins.module_utils.ollama.names import key_of
from ansible_collections.llmfleet.ollama.plugins.module_utils.ollama.registry_address import parse_registry
from ansible_collections.llmfleet.ollama.plugins.modules.ollama_models import ARGUMENTS
from ansible_collections.llmfleet.ollama.plugins.plugin_utils import held_look, holder, windows_change
from ansible_collections.llmfleet.ollama.plugins.plugin_utils.manifests import FleetManifests
from ansible_collections.llmfleet.ollama.plugins.plugin_utils.progress import result_of_job, ticker_for
from ansible_collections.llmfleet.ollama.plugins.plugin_utils.signs import Signs

display = Display()

LOOPBACK = ("localhost", "127.0.0.1", "::1", "0.0.0.0")
DIED = (
    "the work on the models ended on the host without a result: it was killed, or the host ran out of memory; "
    "run again, what was downloaded is kept"
)


class ActionModule(ActionBase):
    _supports_check_mode = True
    _supports_async = True

    def run(self, tmp=None, task_vars=None):
        super().run(tmp, task_vars)
        task_vars = task_vars or {}
        host = task_vars.get("inventory_hostname", "host")
        if ((task_vars.get("ansible_facts") or {}).get("model_plan") or {}).get("elsewhere"):
            self._task.args.setdefault("accept_empty", True)
        if getattr(self._connection._shell, "_IS_WINDOWS", False):
            return self._run_from_here(host, task_vars)
        return self._run_there(task_vars)

    # -- on the host ---------------------------------------------------------------------------------------------------

    def _run_there(self, task_vars):
        fleet = self._fleet(task_vars)
        if fleet is None:
            result = self._module(self._task.args.get("manifests") or [], task_vars)
        else:
            fleet.ask()
            result = self._asking_for_all(fleet, task_vars) if fleet.open() and not self._task.async_val else None
            result = result or self._module(fleet.known(), task_vars)
        job = result.pop("job", None)
        if job is None:
            result.pop("asked", None)
            return result
        return self._finished(result_of_job(self._low_level_execute_command, job, ticker_for(task_vars), DIED))

    def _module(self, manifests, task_vars):
        background = not self._task.async_val and not self._task.check_mode
        return holder.asked(
            lambda arguments: self._execute_module(
                module_name="llmfleet.ollama.ollama_models", module_args=arguments, task_vars=task_vars, wrap_async=self._task.async_val,
            ),
            dict(self._task.args, background=background, manifests=manifests),
        )

    def _asking_for_all(self, fleet, task_vars):
        """The result of this host, which asked what the controller could not; None where another one has done so meanwhile."""
        with fleet.turn():
            if not fleet.open():
                return None
            asked = []
            try:
                result = self._module(fleet.known(), task_vars)
                asked = result.get("asked")
            finally:
                fleet.keep(asked)
        return result

    def _fleet(self, task_vars, proxy=("", "")):
        """What the registry gives for the tags that this host has and wants; None where nobody has looked at it in this run, or the task has it."""
        facts, args = task_vars.get("ansible_facts") or {}, self._task.args
        look = facts.get("look") or {}
        told = look.get("api") or {}
        if "manifests" in args or args.get("state") == "absent" or not told.get("version") or not isinstance(args.get("models"), list):
            return None
        if look.get("run") != held_look.run_of(self._task):
            return None
        there = {key_of(str(row.get("model") or row.get("name") or "")) for row in told.get("models") or []}
        try:
            named = downloads(read_wants(args["models"], False))
            registry = parse_registry(args.get("registry"))
        except (Failure, ValueError):
            # The module says what is wrong.
            return None
        names = [name for key, (name, pin) in named.items() if key in there and not pin]
        return FleetManifests(registry, names, told["version"], look["run"], facts.get("system", ""), facts.get("architecture", ""), proxy)

    # -- from the controller -------------------------------------------------------------------------------------------

    def _run_from_here(self, host, task_vars):
        """A Windows host has no Python: the same code asks its Ollama over the network."""
        validated = ArgumentSpecValidator(ARGUMENTS).validate(self._task.args)
        if validated.error_messages:
            raise AnsibleActionFail("; ".join(validated.error_messages))
        options = dict(validated.validated_parameters)
        remote = options["proofs_path"] if "proofs_path" in self._task.args else ""
        options["api_url"] = reachable(options["api_url"], task_vars.get("ansible_host") or host)
        # The store is on the host, out of our reach; the plan has looked at its disk.
        options["models_dir"] = None
        with tempfile.TemporaryDirectory(prefix="llmfleet-models-") as folder:
            options["proofs_path"] = os.path.join(folder, "proofs.json") if remote else ""
            try:
                registry = parse_registry(options["registry"])
                if registry.has_port:
                    raise Failure(
                        "llm_registry '%s' has a port, and Windows cannot store a model of a registry with a port in its name: "
                        "let the mirror listen on 80 or 443" % options["registry"]
                    )
                fleet = self._fleet(task_vars, (options["https_proxy"], options["no_proxy"]))
                if fleet is not None:
                    fleet.ask()
                    options["manifests"] = fleet.known()
                before = self._fetch(remote, options["proofs_path"])
                ticker = Signs(self, task_vars, ticker_for(task_vars))
                converger = Converger(options, check_mode=self._task.check_mode, progress=ticker).look()
                changes = converger.changes and not self._task.check_mode
                with windows_change.taken(self, task_vars, "models") if changes else contextlib.nullcontext():
                    result = converger.act()
                self._store(remote, options["proofs_path"], before)
            except (Failure, ValueError) as exc:
                raise AnsibleActionFail(str(exc))
        return self._finished(result)

    def _fetch(self, remote, local):
        """Brings the remembered proofs here; a host that has none yet is no fault."""
        if not remote:
            return None
        try:
            self._connection.fetch_file(remote, local)
        except AnsibleConnectionFailure:
            raise
        except AnsibleError as exc:
            display.vv("no proofs at %s yet: %s" % (remote, exc))
        return _content(local)

    def _store(self, remote, local, before):
        if remote and _content(local) not in (None, before):
            self._connection.put_file(local, remote)

    # -- both ----------------------------------------------------------------------------------------------------------

    def _finished(self, result):
        result.pop("asked", None)
        for warning in result.pop("warnings", []):
            display.warning(warning)
        if not self._task.diff:
            result.pop("diff", None)
        return result


def reachable(url, address):
    """The address of the host's Ollama as the controller must write it: loopback there is not loopback here."""
    parts = urlsplit(url if "://" in url else "http://" + url)
    if parts.hostname not in LOOPBACK:
        return url
    name = "[%s]" % address if ":" in address else address
    return urlunsplit((parts.scheme, "%s:%d" % (name, parts.port or PORT), parts.path, "", ""))


def _content(path):
    try:
        with open(path, "rb") as handle:
            return handle.read()
    except FileNotFoundError:
        return None
