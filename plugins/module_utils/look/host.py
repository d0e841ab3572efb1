# Copyright: (c) 2026, The llmfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One look at a Linux host or a Mac: the observation of its accelerators, and beside it, in the same time, all that the roles ask about.

What may hang - a dead share, a name server, a program - runs in forked children under one deadline, as the probe's own drivers do. A reader that
fails costs its own fields, which stay null, and is told in `failed`.
"""

from __future__ import annotations

import os
import time

from ansible_collections.llmfleet.ollama.plugins.module_utils.defaults import path_of
from ansible_collections.llmfleet.ollama.plugins.module_utils.look import common
from ansible_collections.llmfleet.ollama.plugins.module_utils.probe import child
from ansible_collections.llmfleet.ollama.plugins.module_utils.probe.observe import ARGUMENTS as PROBE
from ansible_collections.llmfleet.ollama.plugins.module_utils.probe.observe import observe

SCHEMA = 1
SYSTEMS = {"Linux": "linux", "Darwin": "macos"}
# What plugin_utils.service.contract.Question.to_dict() gives, as module options.
QUESTION = {
    "system": {"type": "str", "choices": ["linux", "macos", "windows"], "required": True},
    "user": {"type": "str", "required": True},
    "port": {"type": "int", "required": True},
    "url": {"type": "str", "required": True},
    "install_dir": {"type": "str", "required": True},
    "models_dir": {"type": "str", "required": True},
    "service": {"type": "str", "required": True},
    "door": {"type": "str", "required": True},
    "settings": {"type": "str", "required": True},
    "moving": {"type": "str", "required": True},
    "paths": {"type": "list", "elements": "str", "default": []},
    "names": {"type": "list", "elements": "str", "default": []},
    "tools": {"type": "list", "elements": "str", "default": []},
    "record": {"type": "str", "default": ""},
}
ARGUMENTS = dict(
    PROBE, questions={"type": "list", "elements": "dict", "required": True, "options": QUESTION}, proofs_path={"type": "str"},
)


class Unasked(Exception):
    """This is a system that nobody asked about; str() is the sentence."""


def job(name, steps):
    """A job of probe.child whose steps are [(field, function)]. The value of each comes home beside its name, or why there is none."""

    def work(emit, settled):
        for field, act in steps:
            if field in settled:
                continue
            emit({"start": field})
            try:
                emit({"field": field, "value": act()})
            except Exception as error:  # the next step has its turn, whatever it is
                emit({"field": field, "why": "%s: %s" % (type(error).__name__, error)})

    return child.Job(name, work)


def _outcome(jobs):
    """({field: value}, [{field, why}]) of what ran."""
    values, failed = {}, []
    for ended in jobs:
        for record in ended.records:
            if "why" in record:
                failed.append({"field": record["field"], "why": record["why"]})
            elif "field" in record:
                values[record["field"]] = record["value"]
        failed += [{"field": field, "why": _WORDS.get(how, how)} for field, how in ended.failed.items()]
        if ended.status != "ok":
            failed.append({"field": ended.name, "why": ended.detail or _WORDS.get(ended.status, ended.status)})
    return values, failed


_WORDS = {"timeout": "no answer in time", "crashed": "the reader crashed"}


def look(params, uname=None, root="", programs=common.PATH, paths=None):
    """The look. `root` and `programs` let a test show another machine; `paths` are NVML's, as observe() takes them."""
    uname = uname or os.uname()
    system = SYSTEMS.get(uname.sysname)
    question = next((dict(asked) for asked in params["questions"] if asked["system"] == system), None)
    if question is None:
        raise Unasked(
            "This host runs %s, and was asked only what %s tells; take it out of the group, or ask that of it."
            % (uname.sysname, " or ".join(asked["system"] for asked in params["questions"]) or "nothing")
        )
    question["proofs"] = params["proofs_path"] or path_of("proofs")
    if system == "linux":
        from ansible_collections.llmfleet.ollama.plugins.module_utils.look import linux as reader
    else:
        from ansible_collections.llmfleet.ollama.plugins.module_utils.look import macos as reader
    began = time.monotonic()
    options = {name: params[name] for name in PROBE}
    options["filesystems"] = list(dict.fromkeys(params["filesystems"] + [question["models_dir"], question["install_dir"]]))
    found = {}

    def meanwhile():
        found.update(reader.machine(uname, root, programs), observation=observe(options, root=root, uname=uname, paths=paths))
        return []

    jobs = [job(name, steps) for name, steps in reader.jobs(question, root, programs)]
    jobs.append(child.Job("api", lambda emit, settled: common.walk_api(emit, settled, question["url"])))
    jobs = child.run(jobs, max(params["timeout"], 1), meanwhile)
    values, failed = _outcome(jobs[:-1])
    api = {key: value for record in jobs[-1].records for key, value in record.items()}
    answer = {
        "schema": SCHEMA,
        "system": system,
        "is_root": os.geteuid() == 0,
        "api": {key: api.get(key) for key in ("version", "models", "running")},
        "tools": common.tools(question["tools"], programs),
        "failed": failed,
        "duration_ms": round((time.monotonic() - began) * 1000),
    }
    return dict(answer, **found, **common.assemble(values, question), **reader.assemble(values))
