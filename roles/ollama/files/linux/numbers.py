# Copyright: (c) 2026, The llmfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Write what Ollama has loaded, beside what the plan says of it, for the textfile collector of Prometheus' node exporter: numbers.py LIST."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import urllib.request

# The server is on this machine, whatever proxy it has.
OPENER = urllib.request.build_opener(urllib.request.ProxyHandler({}))
SEEN = {
    "llmfleet_ollama_up": "Whether Ollama answers on its host.",
    "llmfleet_model_loaded_bytes": "Memory of a loaded model, by /api/ps.",
    "llmfleet_model_loaded_vram_bytes": "The part of it that lies on accelerators, by /api/ps.",
    "llmfleet_model_planned_bytes": "Memory that the plan counts for a model.",
    "llmfleet_model_planned_vram_bytes": "The part of it that the plan has on accelerators.",
    "llmfleet_model_planned_whole": "Whether the plan has the whole model on accelerators.",
    "llmfleet_model_proved": "Whether a model ran as planned when a run last loaded it.",
    "llmfleet_model_predicted_tokens_per_second": "Tokens a second of one stream, as the plan predicts them.",
    "llmfleet_vram_total_bytes": "Memory of an accelerator, by the fact vram.",
    "llmfleet_vram_free_bytes": "Free memory of an accelerator, by its driver; absent where that does not tell.",
}


def ask(url):
    with OPENER.open(url, timeout=10) as answer:
        return json.load(answer)


def running(url):
    """What is loaded, None where nobody answers."""
    try:
        return ask(url + "/api/ps").get("models") or []
    except (OSError, ValueError, AttributeError):
        return None


def proved(path):
    """{model: whether it ran as planned}, as role ollama_models remembers it."""
    try:
        with open(path, encoding="utf-8") as file:
            return {name.rpartition("@")[0]: int(bool(entry["ok"])) for name, entry in json.load(file)["proofs"].items()}
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return {}


def nvidia():
    """{uuid: free bytes} of all NVIDIA cards."""
    try:
        said = subprocess.run(
            ["nvidia-smi", "--query-gpu=uuid,memory.free", "--format=csv,noheader,nounits"], capture_output=True, text=True, timeout=20, check=True
        ).stdout
    except (OSError, subprocess.SubprocessError):
        return {}
    rows = [[cell.strip() for cell in line.split(",")] for line in said.splitlines()]
    return {row[0]: int(row[1]) << 20 for row in rows if len(row) == 2 and row[1].isdigit()}


def number(folder, name):
    with open(os.path.join(folder, name), encoding="ascii") as file:
        return int(file.read())


def free_of(card, cards, root="/sys/bus/pci/devices"):
    if card["uuid"] in cards:
        return cards[card["uuid"]]
    try:
        folder = os.path.join(root, card["pci_address"])
        return number(folder, "mem_info_vram_total") - number(folder, "mem_info_vram_used")
    except (OSError, ValueError, TypeError):
        return None


def quoted(value):
    return str(value).replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")


def text(wanted, loaded, cards, proofs):
    """The numbers as Prometheus reads them."""
    rows = [("llmfleet_ollama_up", {}, int(loaded is not None))]
    for model in loaded or ():
        known = str(model.get("name"))
        # One that came from the fleet's mirror may have its address before it.
        shown = next((planned["name"] for planned in wanted["models"] if known.endswith("/" + planned["name"])), known)
        for name, key in (("llmfleet_model_loaded_bytes", "size"), ("llmfleet_model_loaded_vram_bytes", "size_vram")):
            rows.append((name, {"model": shown}, model.get(key) or 0))
    for model in wanted["models"]:
        rows.append(("llmfleet_model_planned_bytes", {"model": model["name"]}, model["planned_bytes"]))
        rows.append(("llmfleet_model_planned_vram_bytes", {"model": model["name"]}, model["planned_vram_bytes"]))
        rows.append(("llmfleet_model_planned_whole", {"model": model["name"]}, int(model["whole"])))
        if model["name"] in proofs:
            rows.append(("llmfleet_model_proved", {"model": model["name"]}, proofs[model["name"]]))
        if model["tokens_per_second"] is not None:
            rows.append(("llmfleet_model_predicted_tokens_per_second", {"model": model["name"]}, model["tokens_per_second"]))
    for card in wanted["cards"]:
        labels = {"card": card["name"], "address": card["pci_address"] or card["uuid"] or card["index"]}
        rows.append(("llmfleet_vram_total_bytes", labels, card["total_bytes"]))
        free = free_of(card, cards)
        if free is not None:
            rows.append(("llmfleet_vram_free_bytes", labels, free))
    lines = []
    for metric, meaning in SEEN.items():
        # The exporter takes no file that says one thing twice.
        mine = {}
        for name, labels, value in rows:
            if name == metric:
                mine[",".join('%s="%s"' % (key, quoted(word)) for key, word in {"host": wanted["host"], **labels}.items())] = value
        lines += ["# HELP %s %s" % (metric, meaning), "# TYPE %s gauge" % metric] if mine else []
        lines += ["%s{%s} %s" % (metric, labels, value) for labels, value in mine.items()]
    return "\n".join(lines) + "\n"


def main(path):
    with open(path, encoding="utf-8") as file:
        wanted = json.load(file)
    cards = nvidia() if any(card["vendor"] == "nvidia" for card in wanted["cards"]) else {}
    # The exporter reads names that end in .prom, so it never sees half a file.
    beside = wanted["file"] + ".new"
    with open(beside, "w", encoding="utf-8") as file:
        file.write(text(wanted, running(wanted["url"]), cards, proved(wanted["proofs"])))
    os.chmod(beside, 0o644)
    os.replace(beside, wanted["file"])


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
