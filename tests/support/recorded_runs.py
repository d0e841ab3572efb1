# Copyright: (c) 2026, The llmfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Task results as a run would tell them, for the report's tests and for looking at its page.

`PYTHONPATH=collections:tests python -m support.recorded_runs FOLDER` renders the page of each run into FOLDER.
"""

from __future__ import annotations

import copy
import hashlib

from support import GIB, MIB

NOW = "2026-11-24T16:12:08Z"


def device(index, vendor, name, total_mib, reserved_mib=0, used_mib=0, usable_mib=None, unified=False, used_by=(), driver="580.95.05"):
    usable = usable_mib if usable_mib is not None else total_mib - reserved_mib
    return {
        "index": index,
        "vendor": vendor,
        "name": name,
        "uuid": f"GPU-secret-{index}",
        "pci_address": f"0000:0{index}:00.0",
        "type": "discrete",
        "unified": unified,
        "accessible": True,
        "driver": {"name": vendor, "version": driver},
        "memory_total_bytes": total_mib * MIB,
        "memory_used_bytes": used_mib * MIB,
        "memory_free_bytes": (usable - used_mib) * MIB,
        "memory_reserved_bytes": reserved_mib * MIB,
        "memory_usable_bytes": usable * MIB,
        "mig": {"enabled": False, "instances": []},
        "source": "nvml",
        "warnings": [],
        "memory_used_by": [{"name": process, "memory_bytes": size * MIB} for process, size in used_by],
    }


def vram(
    *devices,
    ram_gib=64,
    available_gib=60,
    disk_gib=480,
    free_gib=310,
    architecture="x86_64",
    path="/usr/share/ollama/.ollama/models",
    limit=None,
):
    return {
        "schema_version": 1,
        "devices": list(devices),
        "totals": {
            "count": len(devices),
            "memory_total_bytes": sum(card["memory_total_bytes"] or 0 for card in devices),
            "memory_usable_bytes": sum(card["memory_usable_bytes"] or 0 for card in devices),
            "memory_free_bytes": 0,
            "incomplete": False,
        },
        "unified": False,
        "system_memory": {"total_bytes": ram_gib * GIB, "available_bytes": available_gib * GIB},
        "cgroup_memory_limit_bytes": limit,
        "filesystems": [{"path": path, "mount_point": "/", "fstype": "ext4", "total_bytes": disk_gib * GIB, "free_bytes": free_gib * GIB}],
        "cpu": {"architecture": architecture, "count": 2},
        "environment": {"CUDA_VISIBLE_DEVICES": None, "SECRET_TOKEN": "hunter2"},
        "probes": [{"name": "nvml", "status": "ok"}],
        "warnings": [],
    }


def planned(wants, machine, policy=None):
    """What the real planner decides, from the catalogue alone."""
    from ansible_collections.llmfleet.ollama.plugins.plugin_utils.sizing import plan

    return plan.make_plan(
        models=wants,
        policy=policy or {},
        vram=machine,
        ollama_version="0.32.15",
        sources=["catalogue"],
        header=None,
        proofs={},
        filesystem=machine["filesystems"][0]["path"],
    )


R1 = {"family": "deepseek-r1", "context": 8192, "min_context": 4096}


def digest_of(name):
    return "sha256:" + hashlib.sha256(name.encode()).hexdigest()


def store_of(plan, *, downloaded=(), errors=None, share=None, remembered=True, others=(), **more):
    """What ollama_models says of a converged host: every planned model there and proved, measured a little off the prediction."""
    models, proofs = [], []
    for model in plan["models"]:
        name, memory = model["name"], model["memory"]
        got = model["download_bytes"] if name in downloaded else 0
        seconds = round(got / 95e6, 1)
        digest = model["digest"] if model["digest"] and name not in (errors or {}).get("digest", ()) else digest_of(name)
        models.append(
            {
                "name": name,
                "digest": digest,
                "size_bytes": model["download_bytes"],
                "changed": got > 0,
                "downloaded_bytes": got,
                "seconds": seconds,
            }
        )
        off = 1 + ((len(name) * 37) % 19 - 9) / 1000
        size = int(sum(memory[f"{kind}_bytes"] for kind in ("weights", "kv_cache", "recurrent", "compute", "projector")) * off)
        in_vram = 0 if model["placement"] == "cpu" else int(size * (share or {}).get(name, 1))
        bad = name in (share or {})
        proofs.append(
            {
                "name": name,
                "size_bytes": size,
                "size_vram_bytes": in_vram,
                "context_length": model["context"],
                "ok": not bad,
                "why": "part of it lies in system memory" if bad else "",
                "remembered": remembered and not got and not bad,
            }
        )
    return {
        "models": models,
        "others": list(others),
        "removed": [],
        "to_remove": [],
        "to_pull": [],
        "proved": proofs,
        "spilled": [proof["name"] for proof in proofs if not proof["ok"]],
        "downloaded_bytes": sum(entry["downloaded_bytes"] for entry in models),
        "changed": any(entry["changed"] for entry in models),
        **more,
    }


def answers_of(plan, *, seconds=0.38, rate=41.25):
    """What chat_check says of each planned model in the loop of verify.yml."""
    answers = []
    for model, proof in zip(plan["models"], store_of(plan)["proved"], strict=True):
        told = {
            "ansible_loop_var": "verify_model",
            "verify_model": model["name"],
            "answer": "" if model["embedding"] else "Hello! It is a pleasure to meet you.",
            "only_thoughts": False,
            "loaded_before": True,
            "completion_tokens": 0 if model["embedding"] else 11,
            "dimensions": 768 if model["embedding"] else 0,
            "first_token_seconds": seconds,
            "tokens_per_second": None if model["embedding"] else rate,
            "speed_source": "" if model["embedding"] else "ollama",
            "processor": "cpu" if model["placement"] == "cpu" else "gpu",
        }
        answers.append({**told, **{name: proof[name] for name in ("size_bytes", "size_vram_bytes", "context_length")}})
    return {"results": answers, "changed": False}


def linux(version, machine, wants=(R1,), changes=(), seconds=11.8, **store):
    plan = planned(list(wants), machine)
    return {
        "groups": ["ollama"],
        "system": ("Debian", version, "x86_64"),
        "version": "0.32.15",
        "vram": machine,
        "plan": plan,
        "store": store_of(plan, **store),
        "changes": list(changes),
        "seconds": seconds,
    }


def lab_hosts():
    """The lab's hosts as a first deployment leaves them; the models are real ones, not stand-ins."""
    first = linux(
        "12.12",
        vram(device(0, "nvidia", "NVIDIA GeForce RTX 3060", 12288, 378, 3)),
        changes=(
            "Unpack the release",
            "Write the unit and its settings",
            "Move the link to the new release",
            "Admit the allowed networks",
            "Restart Ollama",
        ),
        seconds=128.3,
        downloaded=("deepseek-r1:14b",),
    )
    two = vram(
        device(0, "nvidia", "NVIDIA GeForce RTX 3090", 24576, 316, 411, used_by=[("Xorg", 411)]),
        device(1, "nvidia", "NVIDIA GeForce RTX 3090", 24576, 316, 1),
        ram_gib=128,
        available_gib=121,
        disk_gib=1900,
        free_gib=1222,
    )
    cpu = vram(ram_gib=16, available_gib=12, limit=8 * GIB, disk_gib=120, free_gib=71)
    names = ("deepseek-r1:14b", "deepseek-r1:70b", "deepseek-r1:1.5b")
    sizes = (8_988_112_040, 42_520_397_873, 1_117_322_599)
    return {
        "lab-3060": first,
        "lab-3090x2": linux("13.1", two),
        "lab-cpu": linux("12.12", cpu, changes=("Write the unit and its settings", "Restart Ollama"), seconds=21.4, others=("llama3.2:3b",)),
        "lab-hub": {
            "groups": ["open_webui", "model_mirror"],
            "system": ("Debian", "13.1", "x86_64"),
            "mirror": {
                "models": [{"name": name, "digest": digest_of(name), "size_bytes": size} for name, size in zip(names, sizes, strict=True)],
                "downloaded_bytes": sizes[0],
            },
            "served": list(names),
            "web": {
                "changed": True,
                "version": "0.12.4",
                "backends": [{"url": f"http://{name}:11434", "prefix_id": name} for name in ("lab-3060", "lab-3090x2", "lab-cpu")],
                "left_out": [],
                "users_created": ["someone@example.net"],
            },
            "web_fact": {
                "version": "0.12.4",
                "previous_version": "",
                "wanted_version": "0.12.4",
                "url": "http://172.30.77.10:3000",
                "rolled_back": False,
                "admin_email": "admin@lab.example",
                "password_file": ".cache/lab/open-webui-password",
                "default_model": "lab-3090x2.deepseek-r1:70b",
            },
            "changes": ["Fill the mirror", "Reconcile Open WebUI's connections"],
            "seconds": 96.9,
        },
    }


def other_hosts():
    """Hosts that the lab does not have: other vendors, many cards, trouble."""
    mac = vram(
        device(0, "apple", "Apple M4 Max", 131072, 0, 0, usable_mib=110100, unified=True, driver=None),
        ram_gib=128,
        available_gib=104,
        architecture="arm64",
        disk_gib=926,
        free_gib=402,
        path="/Users/ollama/.ollama/models",
    )
    desktop = [("dwm.exe", 690), ("chrome.exe", 610), ("explorer.exe", 330)]
    windows = vram(
        device(0, "nvidia", "NVIDIA GeForce RTX 4090", 24564, 504, 1630, used_by=desktop),
        ram_gib=64,
        available_gib=41,
        disk_gib=1863,
        free_gib=38,
        path="C:\\ProgramData\\Ollama\\models",
    )
    cards = [device(number, "nvidia", "NVIDIA H100 80GB HBM3", 81559, 559, 4) for number in range(8)]
    desk = vram(device(0, "nvidia", "NVIDIA GeForce RTX 4070 Ti SUPER", 16376, 370, 2), disk_gib=960, free_gib=611)
    pinned = {**R1, "context": 4096}
    embedding = {"model": "nomic-embed-text:latest"}
    return {
        "mac-studio": {
            **linux("15.6", mac, [{"model": "deepseek-r1:70b", "context": 32768}], seconds=14.0),
            "system": ("MacOSX", "15.6", "arm64"),
        },
        "win-4090": {
            **linux("", windows, [pinned, embedding], seconds=39.5, share={"deepseek-r1:32b": 0.84}),
            "system": ("Microsoft Windows 11 Pro", "10.0.26100", "x86_64"),
            "failed": (
                "Prove that each model runs where the plan put it",
                "deepseek-r1:32b: 16.2 of 19.3 GiB are on the GPU, because other programs hold 1.6 GiB of it; "
                "free that memory, or set llm_policy.reserve_bytes: 1709178880.",
            ),
        },
        "desk": linux("13.1", desk, [{"model": "deepseek-r1:14b", "context": 8192}, embedding, {"model": "qwen3:0.6b", "context": 8192}], seconds=12.1),
        "h100x8": {
            **linux("24.04", vram(*cards, ram_gib=2015, available_gib=1988, disk_gib=28000, free_gib=21444), seconds=12.7),
            "system": ("Ubuntu", "24.04", "x86_64"),
        },
        "attic": {
            "groups": ["ollama"],
            "unreachable": "Failed to connect to the host via ssh: ssh: connect to host 10.20.0.9 port 22: No route to host",
            "changes": [],
            "seconds": 3.1,
        },
    }


class Teller:
    """Tells a recorder one host's results, and keeps what is left of the host's seconds."""

    def __init__(self, recorder, name, host):
        self.recorder, self.name, self.host, self.left = recorder, name, host, host["seconds"]

    def __call__(self, action, task, result, role="", outcome="ok", changed=False, took=0.4):
        self.left -= took
        told = {"action": action, "task": task, "role": role, "outcome": outcome, "changed": changed, "result": result, "took": took}
        self.recorder.record(self.name, groups=["all", *self.host["groups"]], **told)


def recorded(hosts, recorder):
    """Tell the recorder what each host did, in the order in which site.yml does it."""
    for name, host in copy.deepcopy(hosts).items():
        tell = Teller(recorder, name, host)
        if "unreachable" in host:
            tell(
                "llmfleet.ollama.look",
                "Look at the host",
                {"unreachable": True, "msg": host["unreachable"]},
                outcome="unreachable",
                took=3.1,
            )
            continue
        system = {"system": "Linux", **dict(zip(("distribution", "distribution_version", "architecture"), host["system"], strict=True))}
        if "vram" not in host:
            facts = {f"ansible_{key}": value for key, value in system.items()}
            tell("llmfleet.ollama.first_contact", "Gather the few facts that the roles need", {"ansible_facts": facts})
        else:
            tell("llmfleet.ollama.look", "Look at the host", {"ansible_facts": {**system, "vram": host["vram"]}}, took=0.8)
            tell(
                "llmfleet.ollama.plan_models",
                "Choose the models that this host can hold",
                {"ansible_facts": {"model_plan": host["plan"]}},
                took=0.05,
            )
        for task in host["changes"]:
            tell(
                "ansible.builtin.command",
                f"llmfleet.ollama.ollama : {task}",
                {"changed": True},
                role="llmfleet.ollama.ollama",
                changed=True,
                took=1.1,
            )
        for product in host.get("removed", []):
            tell("ansible.builtin.set_fact", "Tell the report that it is gone", {"ansible_facts": {product: {"removed": True}}}, took=0.01)
        for product in host.get("set_up", []):
            tell("ansible.builtin.set_fact", "Tell the report whether it is there", {"ansible_facts": {product: {"removed": False}}}, took=0.01)
        if "version" in host:
            fact = {"version": host["version"], "previous_version": "", "url": f"http://{name}:11434", "rolled_back": False}
            if host["changes"]:
                tell("ansible.builtin.set_fact", "Tell what runs", {"ansible_facts": {"ollama": fact}}, role="llmfleet.ollama.ollama", took=0.01)
            else:
                # The role is not entered where nothing is to be done.
                tell("llmfleet.ollama.plan_service", "Check the settings of the service", {"ansible_facts": {"ollama": fact}}, took=0.01)
        if "store" in host:
            tell(
                "llmfleet.ollama.ollama_models",
                "Bring the models",
                host["store"],
                role="llmfleet.ollama.ollama_models",
                took=max(0.5, tell.left),
            )
        if "answers" in host:
            tell("llmfleet.ollama.chat_check", "Chat with each planned model through the openai client", host["answers"], took=2.2)
        if "mirror" in host:
            tell(
                "llmfleet.ollama.ollama_models",
                "Fill the mirror",
                host["mirror"],
                role="llmfleet.ollama.model_mirror",
                took=max(0.5, tell.left - 5),
            )
            tell("llmfleet.ollama.model_mirror_store", "Publish", {"served": host["served"]}, role="llmfleet.ollama.model_mirror")
        if "web" in host:
            tell("llmfleet.ollama.open_webui_config", "Reconcile Open WebUI's connections", host["web"], role="llmfleet.ollama.open_webui")
        if "web_fact" in host:
            fact = {"ansible_facts": {"open_webui": host["web_fact"]}}
            tell("ansible.builtin.set_fact", "Tell what serves", fact, role="llmfleet.ollama.open_webui", took=0.01)
        if "gateway_fact" in host:
            fact = {"ansible_facts": {"gateway": host["gateway_fact"]}}
            tell("llmfleet.ollama.gateway_told", "Tell where it is", fact, role="llmfleet.ollama.gateway", took=0.01)
        if "failed" in host:
            task, text = host["failed"]
            tell("llmfleet.ollama.ollama_models", task, {"failed": True, "msg": text}, role="llmfleet.ollama.ollama_models", outcome="failed")
    return recorder.hosts


def stats(hosts):
    return {name: {"failures": int("failed" in host), "unreachable": int("unreachable" in host)} for name, host in hosts.items()}


def run(playbook="site.yml", check_mode=False, finished=NOW, seconds=103.4):
    return {"playbook": playbook, "check_mode": check_mode, "started": "2026-11-24T16:10:25Z", "finished": finished, "seconds": seconds}


def inventory_of(hosts):
    return {name: ["all", *host["groups"]] for name, host in hosts.items()}


def document_of(hosts, **more):
    from ansible_collections.llmfleet.ollama.plugins.plugin_utils.report import collect, document

    arguments = {"run": run(), "inventory": inventory_of(hosts), **more}
    return document.build(recorded(hosts, collect.Recorder()), stats=stats(hosts), **arguments)


if __name__ == "__main__":
    import pathlib
    import sys

    from ansible_collections.llmfleet.ollama.plugins.plugin_utils.report import page, table

    folder = pathlib.Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    everyone = {**lab_hosts(), **other_hosts()}
    proved = {name: {**host, "changes": [], "answers": answers_of(host["plan"])} for name, host in everyone.items() if "plan" in host and "failed" not in host}
    everyone["lab-hub"]["web_fact"]["unplanned_models"] = [{"host": "attic", "name": "mistral:7b"}]
    before = document_of({**everyone, "old-server": everyone["lab-3060"]}, run=run(finished="2026-11-23T09:01:00Z"))
    after = document_of(proved, run=run("verify.yml"), previous=before, inventory=inventory_of(everyone))
    one = {"localhost": {**lab_hosts()["lab-cpu"], "groups": ["ollama", "open_webui"], "web_fact": lab_hosts()["lab-hub"]["web_fact"]}}
    documents = {"lab": document_of(lab_hosts()), "fleet": document_of(everyone), "verified": after, "one": document_of(one)}
    for title, fleet in documents.items():
        (folder / f"{title}.html").write_text(page.render(fleet), encoding="utf-8")
        (folder / f"{title}.json").write_text(page.as_json(fleet), encoding="utf-8")
        print(table.render(fleet, int(sys.argv[2]) if len(sys.argv) > 2 else 100, [str(folder / f"{title}.html")]))
