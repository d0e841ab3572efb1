# Copyright: (c) 2026, The llmfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Task results in, one record for each host out. Knows the results of our actions; holds no Ansible object.

Only named fields are taken: a result may hold anything, and what the report writes stays on disk and is shown to others.
"""

from __future__ import annotations

import re

from .advice import with_way_out
from .text import ODD, clean, number, plain

COLLECTION = "llmfleet.ollama."
ACTIONS = (
    "look",
    "vram_facts",
    "plan_models",
    "ollama_models",
    "open_webui_config",
    "model_mirror_store",
    "chat_check",
    "gateway_told",
    "gateway_check",
    "outdated",
)
GROUPS = ("ollama", "open_webui", "model_mirror", "gateway")
# Facts that roles set about what they run: {version, previous_version, wanted_version, url, rolled_back} or {removed}; the web UI's also
# has {admin_email, password_file, default_model, unplanned_models}.
PRODUCTS = ("ollama", "open_webui", "model_mirror", "gateway")

_ACTION_NAMES = {COLLECTION + action: action for action in ACTIONS}
_SET_FACT = ("ansible.builtin.set_fact", "ansible.legacy.set_fact", "set_fact")
_SETUP = (
    "ansible.builtin.gather_facts",
    "ansible.builtin.setup",
    "ansible.legacy.setup",
    "gather_facts",
    "llmfleet.ollama.first_contact",
    "setup",
)

_DEVICE = (
    "index",
    "vendor",
    "name",
    "type",
    "unified",
    "accessible",
    "driver",
    "memory_total_bytes",
    "memory_used_bytes",
    "memory_reserved_bytes",
    "memory_usable_bytes",
    "memory_dedicated_bytes",
    "memory_used_by",
    "compute_capability",
    "gfx_target",
    "mig",
    "source",
)
_MODEL = (
    "name",
    "tokens_per_second",
    "tag",
    "family",
    "parameter_size",
    "quantization",
    "digest",
    "embedding",
    "asked",
    "context",
    "kv_cache_type",
    "placement",
    "memory",
    "budget_bytes",
    "headroom_bytes",
    "download_bytes",
    "source",
    "reason",
    "devices",
    "num_gpu",
    "requires",
    "from",
    "parallel",
    "copies",
)
NO_REASON = "The task gave no reason."
# Longest answer that is kept, in characters: a report is read at a glance.
ANSWER = 400


class Recorder:
    """Takes what a run tells, task by task, and keeps what the report needs."""

    def __init__(self):
        self.hosts = {}
        self.relevant = False

    def record(
        self,
        host: str,
        *,
        action: str,
        task: str,
        outcome: str,
        changed: bool,
        result: dict,
        role: str = "",
        groups=(),
        took: float = 0.0,
        ignored=False,
        own=False,
    ):
        """One result of one task on one host. outcome: ok, failed, unreachable or skipped; own: whether the task is one of this collection's files."""
        entry = self.hosts.setdefault(host, _new_entry())
        entry["groups"] = [group for group in GROUPS if group in groups]
        entry["seconds"] += took
        task_name = _without_role(task, role)
        if took:
            entry["times"][task_name] = entry["times"].get(task_name, 0.0) + took
        ours = _ACTION_NAMES.get(action)
        # A run that ends before its first action, for want of a password on every host, is one to tell about too.
        self.relevant = self.relevant or ours is not None or (own and outcome in ("failed", "unreachable") and not ignored)
        if outcome == "skipped":
            return
        entry["planned"] = entry["planned"] or ours == "plan_models"
        entry["contacted"] = entry["contacted"] or outcome == "unreachable" or action in _SETUP or ours not in (None, "plan_models")
        if changed and outcome == "ok":
            entry["changes"].append({"task": task_name, "role": clean(role)})
        if outcome in ("failed", "unreachable") and not ignored:
            entry["problem"] = {"kind": outcome, "task": task_name, "role": clean(role), "message": with_way_out(message(result))}
        for part in _each(result):
            try:
                self._keep(entry, ours, action, role, part)
            except ODD as error:
                # What one host tells may be of any shape; it costs that part of its own row.
                entry["odd"].append(f"{task_name} told something that cannot be shown ({type(error).__name__})")

    def _keep(self, entry: dict, ours: str | None, action: str, role: str, result: dict) -> None:
        facts = result.get("ansible_facts") or {}
        if not isinstance(facts, dict):
            return
        if ours in ("look", "vram_facts") and facts.get("vram"):
            entry["machine"] = machine(facts["vram"])
            entry["system"] = system_of(facts) or entry["system"]
        elif ours == "plan_models":
            planned = facts.get("model_plan") or result.get("model_plan")
            if planned:
                entry["plan"] = plan(planned)
            if isinstance(result.get("vram"), dict):
                # What the plan was made with: llm_vram_override replaces what was detected, or there was nothing to detect.
                entry["machine"] = machine(result["vram"])
        elif ours == "ollama_models":
            part = "mirror" if role.endswith("model_mirror") else "store"
            entry[part] = _merged_store(entry[part], store(result))
        elif ours == "open_webui_config":
            entry["web"] = web(result)
            if result.get("version"):
                entry["software"].setdefault("open_webui", software(result))
        elif ours == "model_mirror_store":
            entry["mirror"] = mirror(entry["mirror"], result)
            # It serves again, whatever an earlier run said of its removal.
            entry["software"].setdefault("model_mirror", software({}))
        elif ours == "outdated" and isinstance(result.get("behind"), list):
            entry["outdated"] = behind(result)
        elif ours == "chat_check":
            answer = chat(result)
            if answer:
                entry["chats"] = [*(entry["chats"] or []), answer]
        elif action in _SET_FACT or ours in ("gateway_told", "gateway_check") or action == COLLECTION + "plan_service":
            for product in PRODUCTS:
                if isinstance(facts.get(product), dict):
                    entry["software"][product] = software(facts[product])
                    self.relevant = True
        elif action in _SETUP:
            system = system_of(facts)
            if system:
                entry["system"] = system


def _new_entry() -> dict:
    return {
        "groups": [],
        "contacted": False,
        "planned": False,
        "machine": None,
        "plan": None,
        "store": None,
        "mirror": None,
        "web": None,
        "chats": None,
        "outdated": None,
        "system": None,
        "software": {},
        "changes": [],
        "problem": None,
        "odd": [],
        "seconds": 0.0,
        "times": {},
    }


def _each(result: dict) -> list[dict]:
    """The results of a task with a loop, or the one of a task without."""
    results = result.get("results")
    if isinstance(results, list) and results and all(isinstance(item, dict) for item in results):
        return [plain(item) for item in results]
    return [plain(result)]


def _without_role(task: str, role: str) -> str:
    name = clean(task)
    return name[len(role) + 3 :] if role and name.startswith(f"{role} : ") else name


def message(result: dict) -> str:
    """Why a task failed, in the sender's words, on one line."""
    texts = [result.get("msg")]
    texts += [item.get("msg") for item in result.get("results") or [] if isinstance(item, dict) and (item.get("failed") or item.get("unreachable"))]
    general = ("One or more items failed", "All items completed", "MODULE FAILURE")
    cleaned = [clean(text) for text in texts if text]
    told = next((text for text in cleaned if text not in general), None) or (cleaned[0] if cleaned else "")
    return re.sub(r"^((Task failed|Failed to connect to the host via ssh): )+", "", told) or NO_REASON


def _pick(source, names) -> dict:
    return {name: source.get(name) for name in names}


def _dicts(value) -> list[dict]:
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []


def machine(vram: dict) -> dict:
    """ansible_facts.vram without what a report has no use for (UUIDs, environment, probes)."""
    devices = []
    for device in _dicts(vram.get("devices")):
        kept = _pick(device, _DEVICE)
        kept["memory_used_by"] = [_pick(process, ("name", "memory_bytes")) for process in _dicts(device.get("memory_used_by"))]
        sizes = ("name", "memory_total_bytes", "memory_used_bytes", "memory_reserved_bytes", "memory_usable_bytes")
        kept["mig"] = {"instances": [_pick(instance, sizes) for instance in _dicts((device.get("mig") or {}).get("instances"))]}
        kept["warnings"] = [clean(warning.get("message") or warning.get("code")) for warning in _dicts(device.get("warnings"))]
        devices.append(kept)
    return {
        "devices": devices,
        "totals": _pick(vram.get("totals") or {}, ("count", "memory_total_bytes", "memory_usable_bytes", "memory_free_bytes", "incomplete")),
        "system_memory": _pick(vram.get("system_memory") or {}, ("total_bytes", "available_bytes")),
        "cgroup_memory_limit_bytes": vram.get("cgroup_memory_limit_bytes"),
        "filesystems": [_pick(item, ("path", "mount_point", "fstype", "total_bytes", "free_bytes")) for item in _dicts(vram.get("filesystems"))],
        "cpu": _pick(vram.get("cpu") or {}, ("architecture", "count")),
        "warnings": [clean(warning.get("message") or warning.get("code")) for warning in _dicts(vram.get("warnings"))],
    }


def plan(model_plan: dict) -> dict:
    environment = model_plan.get("environment") or {}
    return {
        "models": [_pick(model, _MODEL) for model in _dicts(model_plan.get("models"))],
        "rejected": [_pick(item, ("name", "why", "short_by_bytes", "short_by_tokens_per_second")) for item in _dicts(model_plan.get("rejected"))],
        "environment": {name: clean(value) for name, value in environment.items() if name.startswith(("OLLAMA_", "LLAMA_"))},
        "download_bytes": number(model_plan.get("download_bytes")),
        "disk_free_bytes": number(model_plan.get("disk_free_bytes")),
        "ok": bool(model_plan.get("ok")),
        "errors": [clean(error) for error in model_plan.get("errors") or []],
        "warnings": [clean(warning) for warning in model_plan.get("warnings") or []],
        "summary": clean(model_plan.get("summary")),
    }


def _typed(entry: dict) -> dict:
    """What a host's module told of a model, each in the type that the report counts on."""
    texts = {name: clean(entry[name]) for name in ("name", "digest", "why") if entry.get(name) is not None}
    counts = {name: number(entry[name]) for name in ("size_bytes", "size_vram_bytes", "downloaded_bytes", "context_length") if name in entry}
    return {**entry, **texts, **counts}


def store(result: dict) -> dict:
    """What ollama_models found and did in a host's model store."""
    return {
        "models": [_typed(_pick(model, ("name", "digest", "size_bytes", "changed", "downloaded_bytes", "seconds"))) for model in _dicts(result.get("models"))],
        "removed": [clean(name) for name in result.get("removed") or []],
        "to_remove": [clean(name) for name in result.get("to_remove") or []],
        "others": [clean(name) for name in result.get("others") or []],
        "proved": [
            _typed(_pick(proof, ("name", "size_bytes", "size_vram_bytes", "context_length", "ok", "why", "remembered", "tokens_per_second")))
            for proof in _dicts(result.get("proved"))
        ],
        "downloaded_bytes": number(result.get("downloaded_bytes")) or 0,
    }


def chat(result: dict) -> dict | None:
    """What a model answered, how fast, and where it lay. The name is the loop's item (a model of the plan) or the item itself."""
    item = result.get(result.get("ansible_loop_var") or "item")
    name = result.get("model") or (item.get("name") if isinstance(item, dict) else item)
    if not isinstance(name, str) or (result.get("failed") and not number(result.get("size_bytes"))):
        return None
    return {
        "name": clean(name),
        "ok": not result.get("failed"),
        "why": clean(result.get("msg")) if result.get("failed") else "",
        "remembered": False,
        "answer": clean(result.get("answer"))[:ANSWER],
        "only_thoughts": bool(result.get("only_thoughts")),
        "loaded_before": bool(result.get("loaded_before")),
        "speed_source": clean(result.get("speed_source")),
        "dimensions": number(result.get("dimensions")) or 0,
        **_pick(result, ("size_bytes", "size_vram_bytes", "context_length", "processor", "completion_tokens")),
        **{name: _rate(result.get(name)) for name in ("first_token_seconds", "tokens_per_second")},
    }


def behind(result: dict) -> dict:
    """What playbooks/outdated.yml found behind, nothing included."""
    told = [item for item in _dicts(result.get("details")) if item.get("has") and isinstance(item["has"], list)]
    return {"said": [{**{name: clean(item.get(name)) for name in ("product", "name", "text")}, "has": [clean(one) for one in item["has"]]} for item in told]}


def _rate(value) -> float | None:
    return float(value) if isinstance(value, (int, float)) and not isinstance(value, bool) and value >= 0 else None


def _merged_store(before: dict | None, after: dict) -> dict:
    """A play may call the module more than once for a host (pull, then prove): the later word counts for each model."""
    if before is None:
        return after
    merged = dict(after)
    for part in ("models", "proved"):
        merged[part] = list({entry["name"]: entry for entry in before[part] + after[part]}.values())
    for part in ("removed", "to_remove"):
        merged[part] = list(dict.fromkeys(before[part] + after[part]))
    merged["downloaded_bytes"] = before["downloaded_bytes"] + after["downloaded_bytes"]
    return merged


def software(fact: dict) -> dict:
    return {
        "version": clean(fact.get("version")),
        "previous_version": clean(fact.get("previous_version")),
        "wanted_version": clean(fact.get("wanted_version")),
        "url": clean(fact.get("url")),
        "rolled_back": bool(fact.get("rolled_back")),
        "removed": bool(fact.get("removed")),
        # Only of a web UI: whom to sign in as, and where the password lies that was made for it. The password itself is no fact.
        **{name: clean(fact[name]) for name in ("admin_email", "password_file", "default_model") if fact.get(name)},
        **({"unplanned_models": _unplanned(fact)} if fact.get("unplanned_models") else {}),
        # Only of a gateway.
        **({"traffic": traffic(fact["traffic"])} if isinstance(fact.get("traffic"), dict) and fact["traffic"] else {}),
        **({"warnings": [clean(text) for text in fact["warnings"]]} if isinstance(fact.get("warnings"), list) and fact["warnings"] else {}),
    }


def traffic(told: dict) -> dict:
    """What HAProxy has counted: module_utils/gateway/runtime.py."""
    return {name: number(told.get(name)) or 0 for name in ("seconds", "requests", "refused", "failed")}


def _unplanned(fact: dict) -> list[dict]:
    return [{"host": clean(item.get("host")), "name": clean(item.get("name"))} for item in _dicts(fact["unplanned_models"])]


def system_of(facts: dict) -> dict | None:
    names = {key.removeprefix("ansible_"): value for key, value in facts.items()}
    if not names.get("system") and not names.get("distribution"):
        return None
    return {name: clean(names.get(name)) for name in ("system", "distribution", "distribution_version", "architecture")}


def web(result: dict) -> dict | None:
    """What Open WebUI was told. Names of users and values of settings stay out."""
    if not isinstance(result.get("backends"), list):
        return None
    left_out = [{"url": clean(item.get("url")), "error": clean(item.get("error"))} for item in _dicts(result.get("left_out"))]
    return {"backends": [clean(item.get("url")) for item in _dicts(result["backends"])], "left_out": left_out}


def mirror(before: dict | None, result: dict) -> dict:
    """What the mirror serves, with the sizes that the module which filled it has told before."""
    filled = {model["name"]: model for model in (before or {}).get("models") or []}
    served = [clean(name) for name in result.get("served") or []]
    nothing = {"digest": None, "size_bytes": None}
    return {**store({}), **(before or {}), "models": [filled.get(name) or {"name": name, **nothing} for name in served]}
