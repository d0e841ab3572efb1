# Copyright: (c) 2026, The llmfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Task results as a run would tell them, for the report's tests and for looking at its page.

`python tests/unit/report/recorded_runs.py FOLDER` renders the page of each run into FOLDER.
"""

from __future__ import annotations

import copy

MIB = 1024**2
GIB = 1024**3
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
            "memory_total_bytes": sum(card["memory_total_bytes"] for card in devices),
            "memory_usable_bytes": sum(card["memory_usable_bytes"] for card in devices),
            "memory_free_bytes": 0,
            "incomplete": False,
        },
        "unified": False,
        "system_memory": {"total_bytes": ram_gib * GIB, "available_bytes": available_gib * GIB},
        "cgroup_memory_limit_bytes": limit,
        "filesystems": [{"path": path, "mount_point": "/", "fstype": "ext4", "total_bytes": disk_gib * GIB, "free_bytes": free_gib * GIB}],
        "cpu": {"architecture": architecture, "count": 16},
        "environment": {"CUDA_VISIBLE_DEVICES": None, "SECRET_TOKEN": "hunter2"},
        "probes": [{"name": "nvml", "status": "ok"}],
        "warnings": [],
    }


def model(
    name,
    context,
    placement,
    weights,
    kv,
    compute,
    budget_mib,
    download,
    reason,
    cards=((0, "card"),),
    overhead=305,
    margin=1024,
    digest=None,
    kv_type="f16",
):
    """Sizes in MiB for the whole model; weights and cache split evenly over the cards, as a llama.cpp split does within a layer."""
    amount = len(cards)
    shares, left = [], {"weights": weights, "kv_cache": kv, "compute": compute}
    for order, (index, card) in enumerate(cards):
        part = {kind: size // amount if order < amount - 1 else size - size // amount * (amount - 1) for kind, size in left.items()}
        on_cpu = index is None
        shares.append(
            {
                "index": index,
                "name": card,
                "budget_bytes": budget_mib // amount * MIB,
                "weights_bytes": part["weights"] * MIB,
                "kv_cache_bytes": part["kv_cache"] * MIB,
                "compute_bytes": part["compute"] * MIB,
                "overhead_bytes": 0 if on_cpu else overhead * MIB,
                "margin_bytes": 0 if on_cpu else margin * MIB,
                "total_bytes": (sum(part.values()) + (0 if on_cpu else overhead + margin)) * MIB,
            }
        )
    total = sum(share["total_bytes"] for share in shares)
    return {
        "name": name,
        "tag": name.split(":")[1],
        "family": name.split(":")[0],
        "parameter_size": name.split(":")[1].upper(),
        "quantization": "Q4_K_M",
        "digest": digest or "sha256:" + (name.encode().hex() * 8)[:64],
        "context": context,
        "kv_cache_type": kv_type,
        "placement": placement,
        "memory": {
            "weights_bytes": weights * MIB,
            "kv_cache_bytes": kv * MIB,
            "compute_bytes": compute * MIB,
            "overhead_bytes": sum(share["overhead_bytes"] for share in shares),
            "margin_bytes": sum(share["margin_bytes"] for share in shares),
            "total_bytes": total,
        },
        "budget_bytes": budget_mib * MIB,
        "headroom_bytes": budget_mib * MIB - total,
        "download_bytes": download,
        "source": "header",
        "reason": reason,
        "devices": shares,
        "num_gpu": None,
        "requires": None,
        "requested": {"family": "deepseek-r1", "context": context},
    }


def plan(*models, rejected=(), free_gib=310, summary="", errors=(), download=None):
    return {
        "models": list(models),
        "rejected": [{"name": name, "why": why, "short_by_bytes": int(short * GIB)} for name, why, short in rejected],
        "environment": {
            "OLLAMA_CONTEXT_LENGTH": str(models[0]["context"]),
            "OLLAMA_NUM_PARALLEL": "1",
            "OLLAMA_KV_CACHE_TYPE": models[0]["kv_cache_type"],
            "OLLAMA_FLASH_ATTENTION": "1",
        }
        if models
        else {},
        "download_bytes": sum(entry["download_bytes"] for entry in models) if download is None else download,
        "disk_free_bytes": free_gib * GIB,
        "ok": not errors,
        "errors": list(errors),
        "warnings": [],
        "summary": summary,
    }


def store(*entries, proofs=(), **more):
    return {
        "models": [
            {
                "name": name,
                "digest": digest,
                "size_bytes": size,
                "changed": downloaded > 0,
                "downloaded_bytes": downloaded,
                "seconds": 61.2 if downloaded else 0.1,
            }
            for name, digest, size, downloaded in entries
        ],
        "removed": [],
        "to_remove": [],
        "proved": [
            {
                "name": name,
                "size_bytes": size * MIB,
                "size_vram_bytes": in_vram * MIB,
                "context_length": context,
                "ok": ok,
                "remembered": old,
            }
            for name, size, in_vram, context, ok, old in proofs
        ],
        "downloaded_bytes": sum(entry[3] for entry in entries),
        "changed": any(entry[3] for entry in entries),
        **more,
    }


R1_14B = model(
    "deepseek-r1:14b",
    8192,
    "gpu",
    8148,
    1536,
    258,
    11910,
    8_988_112_040,
    "14b fits 11.6 GiB at 8192 tokens with 0.6 GiB to spare; 32b would need 22.6 GiB.",
    [(0, "NVIDIA GeForce RTX 3060")],
)
R1_70B = model(
    "deepseek-r1:70b",
    8192,
    "multi_gpu",
    39980,
    2560,
    900,
    48520,
    42_520_397_873,
    "70b fits two cards with 47.4 GiB together at 8192 tokens, 2.3 GiB to spare; 671b would need 433.5 GiB.",
    [(0, "NVIDIA GeForce RTX 3090"), (1, "NVIDIA GeForce RTX 3090")],
)
R1_1_5B = model(
    "deepseek-r1:1.5b",
    8192,
    "cpu",
    934,
    224,
    84,
    6144,
    1_117_322_768,
    "1.5b runs on the CPU within 6.0 GiB of memory at 8192 tokens; 7b would fit but answer too slowly.",
    [(None, "CPU")],
)
R1_32B = model(
    "deepseek-r1:32b",
    8192,
    "gpu",
    18508,
    2048,
    412,
    24060,
    19_851_337_640,
    "32b fits 23.5 GiB at 8192 tokens with 1.4 GiB to spare; 70b would need 44.9 GiB.",
    [(0, "NVIDIA GeForce RTX 4090")],
)
EMBED = model(
    "nomic-embed-text:latest",
    2048,
    "gpu",
    262,
    0,
    84,
    24060,
    274_302_450,
    "Named in llm_models; fits beside deepseek-r1:32b.",
    [(0, "NVIDIA GeForce RTX 4090")],
    overhead=305,
    margin=0,
)
MAC_70B = model(
    "deepseek-r1:70b",
    32768,
    "gpu",
    39980,
    10240,
    1056,
    110100,
    42_520_397_873,
    "70b fits the 107.5 GiB that Metal may use at 32768 tokens with 56.4 GiB to spare; 671b would need 433.5 GiB.",
    [(0, "Apple M4 Max")],
    overhead=0,
    kv_type="f16",
)
R1_671B = model(
    "deepseek-r1:671b",
    8192,
    "multi_gpu",
    385160,
    39040,
    9600,
    648000,
    404_430_188_519,
    "671b fits eight cards with 632.8 GiB together at 8192 tokens, 198.6 GiB to spare. It is the largest of its family.",
    [(number, "NVIDIA H100 80GB HBM3") for number in range(8)],
)

TOO_BIG = "larger than the budget"


def lab_hosts():
    """The lab's hosts as a first deployment leaves them; the models are real sizes, not stand-ins."""
    return {
        "lab-3060": {
            "groups": ["ollama"],
            "system": ("Debian", "12.12", "x86_64"),
            "version": "0.32.15",
            "vram": vram(device(0, "nvidia", "NVIDIA GeForce RTX 3060", 12288, 378, 3)),
            "plan": plan(
                R1_14B,
                rejected=[("deepseek-r1:32b", TOO_BIG, 10.9), ("deepseek-r1:70b", TOO_BIG, 32.4), ("deepseek-r1:671b", TOO_BIG, 421.9)],
            ),
            "store": store(
                ("deepseek-r1:14b", R1_14B["digest"], 8_988_112_040, 8_988_112_040),
                proofs=[("deepseek-r1:14b", 9942 + 54, 9955, 8192, True, False)],
            ),
            "changes": [
                "Unpack the release",
                "Write the unit and its settings",
                "Move the link to the new release",
                "Admit the allowed networks",
                "Restart Ollama",
                "Bring the models",
            ],
            "seconds": 94.2,
        },
        "lab-3090x2": {
            "groups": ["ollama"],
            "system": ("Debian", "13.1", "x86_64"),
            "version": "0.32.15",
            "vram": vram(
                device(0, "nvidia", "NVIDIA GeForce RTX 3090", 24576, 316, 411, used_by=[("Xorg", 411)]),
                device(1, "nvidia", "NVIDIA GeForce RTX 3090", 24576, 316, 1),
                ram_gib=128,
                available_gib=121,
                disk_gib=1900,
                free_gib=1222,
            ),
            "plan": plan(R1_70B, free_gib=1222, rejected=[("deepseek-r1:671b", TOO_BIG, 386.1)]),
            "store": store(
                ("deepseek-r1:70b", R1_70B["digest"], 42_520_397_873, 0), proofs=[("deepseek-r1:70b", 43800, 43391, 8192, True, True)]
            ),
            "changes": [],
            "seconds": 11.8,
        },
        "lab-cpu": {
            "groups": ["ollama"],
            "system": ("Debian", "12.12", "x86_64"),
            "version": "0.32.15",
            "vram": vram(ram_gib=16, available_gib=12, limit=8 * GIB, disk_gib=120, free_gib=71),
            "plan": plan(
                R1_1_5B,
                free_gib=71,
                rejected=[("deepseek-r1:7b", "slower than llm_policy allows on a CPU", 0), ("deepseek-r1:14b", TOO_BIG, 4.4)],
            ),
            "store": store(
                ("deepseek-r1:1.5b", R1_1_5B["digest"], 1_117_322_768, 0),
                proofs=[("deepseek-r1:1.5b", 1228, 0, 8192, True, True)],
                unmanaged=["llama3.2:3b"],
            ),
            "changes": ["Write the unit and its settings", "Restart Ollama"],
            "seconds": 21.4,
        },
        "lab-hub": {
            "groups": ["open_webui", "model_mirror"],
            "system": ("Debian", "13.1", "x86_64"),
            "mirror": store(
                ("deepseek-r1:14b", "sha256:a", 8_988_112_040, 8_988_112_040),
                ("deepseek-r1:70b", "sha256:b", 42_520_397_873, 0),
                ("deepseek-r1:1.5b", "sha256:c", 1_117_322_768, 0),
            ),
            "web": {"backends": ["http://lab-3060:11434", "http://lab-3090x2:11434", "http://lab-cpu:11434"], "changed": True},
            "webui_version": "0.12.4",
            "changes": ["Fill the mirror", "Reconcile Open WebUI's connections"],
            "seconds": 48.9,
        },
    }


def other_hosts():
    """Hosts that the lab does not have: other vendors, many cards, trouble."""
    return {
        "mac-studio": {
            "groups": ["ollama"],
            "system": ("MacOSX", "15.6", "arm64"),
            "version": "0.32.15",
            "vram": vram(
                device(0, "apple", "Apple M4 Max", 131072, 0, 0, usable_mib=110100, unified=True, driver=None),
                ram_gib=128,
                available_gib=104,
                architecture="arm64",
                disk_gib=926,
                free_gib=402,
                path="/Users/ollama/.ollama/models",
            ),
            "plan": plan(MAC_70B, free_gib=402, rejected=[("deepseek-r1:671b", TOO_BIG, 326.0)]),
            "store": store(
                ("deepseek-r1:70b", MAC_70B["digest"], 42_520_397_873, 0), proofs=[("deepseek-r1:70b", 51800, 51420, 32768, True, True)]
            ),
            "changes": [],
            "seconds": 14.0,
        },
        "win-4090": {
            "groups": ["ollama"],
            "system": ("Microsoft Windows 11 Pro", "10.0.26100", "x86_64"),
            "version": "0.32.15",
            "vram": vram(
                device(
                    0,
                    "nvidia",
                    "NVIDIA GeForce RTX 4090",
                    24564,
                    504,
                    1630,
                    used_by=[("dwm.exe", 690), ("chrome.exe", 610), ("explorer.exe", 330)],
                ),
                ram_gib=64,
                available_gib=41,
                disk_gib=1863,
                free_gib=38,
            ),
            "plan": plan(R1_32B, EMBED, free_gib=38, rejected=[("deepseek-r1:70b", TOO_BIG, 21.4), ("deepseek-r1:671b", TOO_BIG, 410.0)]),
            "store": store(
                ("deepseek-r1:32b", "sha256:" + "0badc0de" * 8, 19_851_337_640, 0),
                ("nomic-embed-text:latest", EMBED["digest"], 274_302_450, 0),
                proofs=[("deepseek-r1:32b", 21320, 17088, 8192, False, False), ("nomic-embed-text:latest", 346, 346, 2048, True, True)],
            ),
            "changes": [],
            "seconds": 39.5,
            "failed": (
                "Prove that each model runs where the plan put it",
                "deepseek-r1:32b: 16.7 of 20.8 GiB are on the GPU, because "
                "other programs hold 1.6 GiB of it; free that memory, or set llm_policy.reserve_bytes: 1709178880.",
            ),
        },
        "h100x8": {
            "groups": ["ollama"],
            "system": ("Ubuntu", "24.04", "x86_64"),
            "version": "0.32.15",
            "vram": vram(
                *[device(number, "nvidia", "NVIDIA H100 80GB HBM3", 81559, 559, 4) for number in range(8)],
                ram_gib=2015,
                available_gib=1988,
                disk_gib=28000,
                free_gib=21444,
            ),
            "plan": plan(R1_671B, free_gib=21444),
            "store": store(
                ("deepseek-r1:671b", R1_671B["digest"], 404_430_188_519, 0), proofs=[("deepseek-r1:671b", 436200, 434912, 8192, True, True)]
            ),
            "changes": [],
            "seconds": 12.7,
        },
        "attic": {
            "groups": ["ollama"],
            "unreachable": "Failed to connect to the host via ssh: ssh: connect to host 10.20.0.9 port 22: No route to host",
            "changes": [],
            "seconds": 3.1,
        },
    }


def recorded(hosts, recorder):
    """Tell the recorder what each host did, in the order in which site.yml does it."""
    for name, host in copy.deepcopy(hosts).items():
        spent = {"left": host["seconds"]}

        def tell(action, task, result, role="", outcome="ok", changed=False, took=0.4, name=name, host=host, spent=spent):
            spent["left"] -= took
            recorder.record(
                name,
                action=action,
                task=task,
                role=role,
                outcome=outcome,
                changed=changed,
                result=result,
                groups=["all", *host["groups"]],
                took=took,
            )

        if "unreachable" in host:
            tell(
                "ansible.builtin.setup",
                "Gather the few facts that the plan and the roles need",
                {"unreachable": True, "msg": host["unreachable"]},
                outcome="unreachable",
                took=3.1,
            )
            continue
        system = dict(zip(("ansible_distribution", "ansible_distribution_version", "ansible_architecture"), host["system"]))
        tell(
            "ansible.builtin.setup",
            "Gather the few facts that the plan and the roles need",
            {"ansible_facts": {**system, "ansible_system": "Linux"}},
        )
        if "vram" in host:
            tell("llmfleet.ollama.vram_facts", "Read the memory of every accelerator", {"ansible_facts": {"vram": host["vram"]}})
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
        if "version" in host:
            fact = {"version": host["version"], "previous_version": "", "url": f"http://{name}:11434", "rolled_back": False}
            tell(
                "ansible.builtin.set_fact", "Tell what runs", {"ansible_facts": {"ollama": fact}}, role="llmfleet.ollama.ollama", took=0.01
            )
        if "store" in host:
            tell(
                "llmfleet.ollama.ollama_models",
                "Bring the models",
                host["store"],
                role="llmfleet.ollama.ollama_models",
                took=max(0.5, spent["left"]),
            )
        if "mirror" in host:
            tell(
                "llmfleet.ollama.ollama_models",
                "Fill the mirror",
                host["mirror"],
                role="llmfleet.ollama.model_mirror",
                took=max(0.5, spent["left"] - 5),
            )
        if "web" in host:
            tell("llmfleet.ollama.open_webui_config", "Reconcile Open WebUI's connections", host["web"], role="llmfleet.ollama.open_webui")
            fact = {"version": host["webui_version"], "url": f"http://{name}:3000"}
            tell(
                "ansible.builtin.set_fact",
                "Tell what runs",
                {"ansible_facts": {"open_webui": fact}},
                role="llmfleet.ollama.open_webui",
                took=0.01,
            )
        if "failed" in host:
            task, text = host["failed"]
            tell(
                "llmfleet.ollama.ollama_models", task, {"failed": True, "msg": text}, role="llmfleet.ollama.ollama_models", outcome="failed"
            )
    return recorder.hosts


def stats(hosts):
    return {name: {"failures": int("failed" in host), "unreachable": int("unreachable" in host)} for name, host in hosts.items()}


def run(playbook="site.yml", check_mode=False, finished=NOW, seconds=103.4):
    return {"playbook": playbook, "check_mode": check_mode, "started": "2026-11-24T16:10:25Z", "finished": finished, "seconds": seconds}


def document_of(hosts, **more):
    from ansible_collections.llmfleet.ollama.plugins.plugin_utils.report import collect, document

    arguments = {"run": run(), "inventory": list(hosts), **more}
    return document.build(recorded(hosts, collect.Recorder()), stats=stats(hosts), **arguments)


if __name__ == "__main__":
    import pathlib
    import sys

    sys.path.insert(0, str(pathlib.Path(__file__).parents[3] / "collections"))
    from ansible_collections.llmfleet.ollama.plugins.plugin_utils.report import page, table

    folder = pathlib.Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    for title, hosts in {"lab": lab_hosts(), "fleet": {**lab_hosts(), **other_hosts()}}.items():
        fleet = document_of(hosts)
        (folder / f"{title}.html").write_text(page.render(fleet), encoding="utf-8")
        (folder / f"{title}.json").write_text(page.as_json(fleet), encoding="utf-8")
        print(table.render(fleet, 100, [str(folder / f"{title}.html")]))
