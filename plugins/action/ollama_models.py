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

from ansible.errors import AnsibleActionFail, AnsibleConnectionFailure, AnsibleError, AnsibleUndefinedVariable
from ansible.module_utils.common.arg_spec import ArgumentSpecValidator
from ansible.module_utils.parsing.convert_bool import boolean
from ansible.plugins.action import ActionBase
from ansible.utils.display import Display
from ansible_collections.llmfleet.ollama.plugins.filter.model_wants import model_wants
from ansible_collections.llmfleet.ollama.plugins.module_utils.defaults import PORT, path_of
from ansible_collections.llmfleet.ollama.plugins.module_utils.errors import Failure
from ansible_collections.llmfleet.ollama.plugins.module_utils.models.converge import Converger
from ansible_collections.llmfleet.ollama.plugins.module_utils.models.wants import downloads, read_wants
from ansible_collections.llmfleet.ollama.plugins.module_utils.ollama.names import key_of
from ansible_collections.llmfleet.ollama.plugins.module_utils.ollama.registry_address import parse_registry
from ansible_collections.llmfleet.ollama.plugins.modules.ollama_models import ARGUMENTS
from ansible_collections.llmfleet.ollama.plugins.plugin_utils import held_look, holder, undefined, windows_change
from ansible_collections.llmfleet.ollama.plugins.plugin_utils.manifests import FleetManifests
from ansible_collections.llmfleet.ollama.plugins.plugin_utils.progress import result_of_job, ticker_for
from ansible_collections.llmfleet.ollama.plugins.plugin_utils.signs import Signs

display = Display()

# Where option from_variables finds what a task does not give: the first of them that is set.
VARIABLES = {
    "models": ("ollama_models_wanted",),
    "state": ("ollama_models_state",),
    "registry": ("ollama_models_registry", "llm_registry"),
    "api_url": ("ollama_models_api_url",),
    "models_dir": ("ollama_models_store", "ollama_models_dir"),
    "reserve_bytes": ("ollama_models_reserve_bytes",),
    "prove": ("ollama_models_prove",),
    "prove_gpu": ("ollama_models_prove_gpu", "llm_prove_gpu"),
    "proofs_path": ("ollama_models_proofs_path",),
    "https_proxy": ("ollama_https_proxy",),
    "timeout": ("ollama_models_timeout",),
    "retries": ("ollama_models_retries",),
}
EVERYWHERE = ("0.0.0.0", "::", "")
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
        if boolean(self._task.args.pop("from_variables", False)):
            self._read_variables(task_vars)
        if ((task_vars.get("ansible_facts") or {}).get("model_plan") or {}).get("elsewhere"):
            self._task.args.setdefault("accept_empty", True)
        if getattr(self._connection._shell, "_IS_WINDOWS", False):
            return self._run_from_here(host, task_vars)
        return self._run_there(task_vars)

    def _read_variables(self, task_vars):
        """What the task does not give. A template for each option of the task, and a role with its defaults, would be compiled and read anew in the
        process of each host."""
        try:
            given = from_variables(task_vars, self._templar.template)
        except AnsibleUndefinedVariable as error:
            missing = undefined.sentences(self._templar.template, task_vars, ["ollama_", "llm_"])
            raise AnsibleActionFail("\n".join(missing) if missing else str(error)) from error
        for option, value in given.items():
            self._task.args.setdefault(option, value)

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


def from_variables(task_vars, template):
    """The options of the module by the host's variables, with the defaults of role ollama_models where that is not there."""
    facts, omit = task_vars.get("ansible_facts") or {}, task_vars.get("omit")

    def value(*names):
        """(variable, its value) of the first that is set."""
        for name in names:
            made = template(task_vars[name]) if name in task_vars else omit
            if made is not omit:
                return name, made
        return None, None

    found = {option: value(*names) for option, names in VARIABLES.items()}
    # What a variable of the role is set to is told by its own name where it is none of what the module takes.
    spec = {name: _kind(ARGUMENTS[option]) for option, (name, _made) in found.items() if name}
    validated = ArgumentSpecValidator(spec).validate({name: made for name, made in found.values() if name})
    if validated.error_messages:
        raise AnsibleActionFail("; ".join(validated.error_messages))
    options = {option: validated.validated_parameters[name] for option, (name, _made) in found.items() if name}
    family, plan = facts.get("os_family") or "", facts.get("model_plan") or {}
    if "models" not in options:
        options["models"] = model_wants(plan)
    if "api_url" not in options:
        (_name, host), (_name, port) = value("ollama_host"), value("ollama_port")
        options["api_url"] = "http://%s:%s" % ("127.0.0.1" if host is None or host in EVERYWHERE else host, PORT if port is None else port)
    options.setdefault("models_dir", path_of("models", family))
    options.setdefault("proofs_path", path_of("proofs", family))
    return {
        **options, "settings": plan.get("environment") or {}, "devices": plan.get("cards") or [],
        "no_proxy": ",".join(str(entry) for entry in value("ollama_no_proxy")[1] or ()),
    }  # fmt: skip


def _kind(argument):
    """Of an option, what a variable for it is held against. A path is the host's, and no `~` of the controller's."""
    kind = {name: argument[name] for name in ("type", "choices") if name in argument}
    return {**kind, "type": "str"} if kind["type"] == "path" else kind


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
