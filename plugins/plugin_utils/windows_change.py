# Copyright: (c) 2026, The llmfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What module host_change does, for Windows, where no Python is: the same functions decide here, and win_host_change tells and acts.

Each piece of work is a question and an act. The act is bound to what the question has found (`expect`), so that of two controllers that have seen
the same one acts, and the other one sees who came first.
"""

from __future__ import annotations

import contextlib
import json

from ansible.errors import AnsibleActionFail
from ansible_collections.llmfleet.ollama.plugins.module_utils.change import lock, record
from ansible_collections.llmfleet.ollama.plugins.plugin_utils import holder

MODULE = "llmfleet.ollama.win_host_change"
# So often somebody else may come between the question and the act.
TRIES = 5


class Clock:
    """The clock of a Windows host, as one of its answers has it. Its lock is gone with a start, so each start may have the same name."""

    boot = "this start"

    def __init__(self, answer):
        self._since_start, self._now = _number(answer.get("since_start")), _number(answer.get("now"))

    def since_start(self):
        return self._since_start

    def wall(self):
        return self._now


def _number(value):
    return value if isinstance(value, int) and not isinstance(value, bool) else 0


def told(change):
    """The field `change` of a look, of what win_look_probe says: texts as somebody has written them, which may be spoilt."""
    return {"record": record.told(record.parsed(_text(change, "record"))), "holder": _holder(change)}


def _text(answer, name):
    value = answer.get(name)
    return value if isinstance(value, str) else ""


def _holder(answer):
    try:
        return lock.judged(json.loads(_text(answer, "holder")), Clock(answer))
    except (ValueError, RecursionError):
        return None


def run(action, task_vars, arguments):
    """What host_change says of these arguments of its own (with who asks), on the Windows host of this action."""

    def ask(given):
        return action._execute_module(module_name=MODULE, module_args=given, task_vars=task_vars)

    wanted = {"record": None, "change": None, "doing": "", "over": "", **arguments}
    return holder.asked(lambda given: _Work(ask, {**wanted, **given}, action._task.check_mode).done(), wanted)


@contextlib.contextmanager
def taken(action, task_vars, doing):
    """The Windows host of this action for one piece of work. An account without the rights of an administrator takes nothing, as elsewhere."""
    begun = run(action, task_vars, {"state": "begin", "doing": doing})
    if begun.get("failed"):
        raise AnsibleActionFail(begun.get("msg") or "the host could not be taken")
    try:
        yield
    finally:
        run(action, task_vars, {"state": "done"})


class _Work:
    """One state of host_change. ask(arguments) -> an answer of win_host_change."""

    def __init__(self, ask, wanted, check_mode):
        self.ask, self.wanted, self.check_mode = ask, wanted, check_mode
        self.change = wanted["change"]
        self.folder = wanted["record"] or (self.change or {}).get("record") or ""
        doing = "Ollama %s" % self.change["asked"] if self.change else wanted["doing"] or "Ollama"
        self.me = dict(wanted["holder"], doing=doing)

    def done(self):
        seen = self.ask({"record": self.folder, "paths": (self.change or {}).get("paths") or []})
        for _try in range(TRIES):
            if seen.get("failed") or self.check_mode or not seen.get("is_root"):
                return self._said(seen)
            try:
                after = self._after(_holder(seen), Clock(seen))
            except lock.Held as held:
                return {"changed": False, "failed": True, "msg": lock.words(held.holder), "held": held.holder}
            act = self._act(seen)
            if after is None and act["act"] == "none":
                return self._said(seen)
            text = _text(seen, "holder") if after is None else json.dumps(after, sort_keys=True) if after else ""
            seen = self.ask({"swap": True, "expect": _text(seen, "holder"), "holder": text, "record": self.folder, **act})
            if seen.get("swapped"):
                return self._said(seen)
        return {"changed": False, "failed": True, "msg": "Others take this host and let go of it again and again; run this again."}

    def _after(self, there, clock):
        """Who has the host afterwards: what is written down, {} for nobody, None where that stays as it is."""
        state, token = self.wanted["state"], self.me["token"]
        if state == "done":
            return lock.freed(there, token, clock)
        if state == "renew":
            return lock.renewed(there, token, clock)
        return lock.taken(there, self.me, clock, self.wanted["over"], more=int(state == "begin"))

    def _act(self, seen):
        """What is done with the record, as arguments of win_host_change."""
        state, there = self.wanted["state"], record.parsed(_text(seen, "record"))
        if state == "begin" and self.folder:
            return self._begin(there, seen)
        if state == "restore":
            kept = there or {"kept": [], "missing": []}
            rule = kept.get("rule") or {}
            return {
                "act": "restore", "kept": kept["kept"], "missing": kept["missing"], "task": self._named(kept, "task"), "rule": self._named(kept, "door"),
                "rule_port": str(rule.get("port") or ""), "rule_addresses": rule.get("addresses") or [],
            }
        return {"act": "remove" if state == "done" and self.wanted["record"] else "none"}

    @staticmethod
    def _named(said, name):
        value = said.get(name)
        return value if isinstance(value, str) else ""

    def _begin(self, there, seen):
        change, now = self.change, Clock(seen).wall()
        if there is not None:
            return {"act": "tell", "text": json.dumps(record.again(there, change["asked"], self.me["who"], now), sort_keys=True)}
        found = {row["path"]: row["kind"] for row in seen.get("found") or []}
        kept = [{"path": path, "copy": str(number)} for number, path in enumerate(change["paths"]) if found.get(path) == "file"]
        missing = [path for path in change["paths"] if found.get(path) == "missing"]
        before = {name: change["before"].get(name, kind()) for name, kind in record.BEFORE.items()}
        said = record.begun(before, change["asked"], self.me["who"], now, kept, missing)
        said.update({name: change.get(name) for name in ("task", "door", "rule")})
        return {
            "act": "keep", "text": json.dumps(said, sort_keys=True), "kept": kept, "task": self._named(said, "task"), "rights": self._named(change, "rights"),
        }

    def _said(self, seen):
        result = {"changed": bool(seen.get("changed")), "record": record.told(record.parsed(_text(seen, "record")))}
        return {**result, "failed": True, "msg": seen.get("msg")} if seen.get("failed") else result
