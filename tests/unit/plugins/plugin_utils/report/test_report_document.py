# Copyright: (c) 2026, The llmfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""From task results to the fleet document, with plans of the real planner.

Without these tests a bar could show more or less than the card has, a run over one host could wipe out the others, a secret of a result
could end up in a file that people pass around, and the report could tell a stand-in's memory as a proof.
"""

from __future__ import annotations

import copy
import json

import pytest
from ansible_collections.llmfleet.ollama.plugins.plugin_utils import releases
from ansible_collections.llmfleet.ollama.plugins.plugin_utils.report import bars, collect, document, page, table
from ansible_collections.llmfleet.ollama.plugins.plugin_utils.report.text import clean
from ansible_collections.llmfleet.ollama.plugins.plugin_utils.sizing.machine import budget
from support import recorded_runs as runs

MIB, GIB = runs.MIB, runs.GIB
EVERY_HOST = {**runs.lab_hosts(), **runs.other_hosts()}


def row_of(host, name="host", **more):
    fleet = runs.document_of({name: host}, **more)
    return fleet["hosts"][0]


def parts(gauge):
    """Bytes of each kind, all models together."""
    told = {}
    for segment in gauge["segments"]:
        told[segment["kind"]] = told.get(segment["kind"], 0) + segment["bytes"]
    return told


# -- bars ------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", [name for name, host in EVERY_HOST.items() if "vram" in host])
def test_every_bar_adds_up_to_its_card_and_shows_the_plans_own_free_memory(name):
    host = EVERY_HOST[name]
    row = row_of(host)
    assert row["bars"]
    for gauge in row["bars"]:
        assert sum(parts(gauge).values()) == gauge["total_bytes"] and gauge["over_bytes"] == 0
        assert min(parts(gauge).values()) > 0
    free = sum(parts(gauge).get("free", 0) for gauge in row["bars"])
    room = budget.host(host["vram"])
    whole = sum(card.budget for card in room.cards) or room.ram_budget
    planned = sum(gauge["planned_bytes"] for gauge in row["bars"])
    margin = sum(parts(gauge).get("margin", 0) for gauge in row["bars"])
    assert free == whole - planned - margin


def test_the_parts_are_the_plans():
    host = EVERY_HOST["lab-3060"]
    share = host["plan"]["models"][0]["devices"][0]
    shown = parts(row_of(host)["bars"][0])
    assert {kind: shown[kind] for kind in ("weights", "kv_cache", "compute", "overhead", "margin")} == {
        kind: share[f"{kind}_bytes"] for kind in ("weights", "kv_cache", "compute", "overhead", "margin")
    }
    assert shown["reserved"] == 378 * MIB


def test_each_segment_says_whose_it_is():
    """With two models on a card nobody can tell from the colours alone which of them takes what."""
    host = EVERY_HOST["desk"]
    (gauge,) = row_of(host)["bars"]
    told = {}
    for segment in gauge["segments"]:
        told[segment["model"]] = told.get(segment["model"], 0) + segment["bytes"]
    assert list(told)[:3] == [model["name"] for model in host["plan"]["models"]] and list(told)[3:] == [None]
    for model in host["plan"]["models"]:
        (share,) = model["devices"]
        assert told[model["name"]] == sum(share.get(f"{kind}_bytes") or 0 for kind in ("weights", "kv_cache", "recurrent", "projector", "compute", "overhead"))


def test_a_reserve_of_the_policy_shows_as_reserved():
    machine = EVERY_HOST["lab-3090x2"]["vram"]
    plan = runs.planned([runs.R1], machine, {"reserve_bytes": 2 * GIB})
    drawn = bars.bars(collect.machine(machine), collect.plan(plan))
    assert parts(drawn[1])["reserved"] == 316 * MIB + 2 * GIB
    assert all(sum(parts(gauge).values()) == gauge["total_bytes"] for gauge in drawn)


def test_models_loaded_in_turns_are_not_stacked():
    """Two models that share a card one after the other never need its sum."""
    machine = runs.vram(runs.device(0, "nvidia", "NVIDIA GeForce RTX 3060", 12288, 378))
    wants = [{"model": "deepseek-r1:14b", "context": 4096}, {"model": "deepseek-r1:8b", "context": 4096}]
    plan = runs.planned(wants, machine, {"resident": "one"})
    assert plan["ok"] and len(plan["models"]) == 2
    (gauge,) = bars.bars(collect.machine(machine), collect.plan(plan))
    assert gauge["over_bytes"] == 0
    assert parts(gauge)["weights"] == plan["models"][0]["devices"][0]["weights_bytes"]


def test_more_planned_than_the_card_has_is_told_and_the_bar_still_adds_up():
    machine = collect.machine(EVERY_HOST["lab-3060"]["vram"])
    plan = collect.plan(copy.deepcopy(EVERY_HOST["lab-3060"]["plan"]))
    plan["models"][0]["devices"][0]["weights_bytes"] = 20 * GIB
    (gauge,) = bars.bars(machine, plan)
    assert gauge["over_bytes"] > 8 * GIB and sum(parts(gauge).values()) == gauge["total_bytes"] == 12288 * MIB


def test_a_model_partly_on_the_card_draws_system_memory_too():
    machine = runs.vram(runs.device(0, "nvidia", "NVIDIA GeForce RTX 3060", 12288, 378))
    plan = runs.planned([{"model": "deepseek-r1:32b", "context": 4096}], machine, {"allow_partial_offload": True})
    assert plan["models"][0]["placement"] == "partial"
    card, memory = bars.bars(collect.machine(machine), collect.plan(plan))
    assert (card["kind"], memory["kind"]) == ("accelerator", "memory")
    assert parts(memory)["weights"] == plan["models"][0]["memory"]["host_bytes"]
    assert sum(parts(memory).values()) == 64 * GIB


def test_mig_instances_are_bars_and_unknown_sizes_are_no_bar():
    instance = {"memory_total_bytes": 20 * GIB, "memory_usable_bytes": 19 * GIB}
    card = runs.device(0, "nvidia", "NVIDIA H100 80GB HBM3", 81559)
    card["mig"] = {
        "enabled": True,
        "instances": [{"name": "1g", **instance}, {"name": "3g", "memory_total_bytes": 40 * GIB, "memory_usable_bytes": 39 * GIB}],
    }
    blind = {**runs.device(1, "intel", "Intel Arc A770", 16384), "memory_total_bytes": None, "memory_usable_bytes": None}
    drawn = bars.bars(collect.machine(runs.vram(card, blind)), None)
    assert [(gauge["name"], gauge["total_bytes"], len(gauge["segments"])) for gauge in drawn] == [
        ("3g", 40 * GIB, 2),
        ("1g", 20 * GIB, 2),
        ("Intel Arc A770", None, 0),
    ]


def test_a_card_that_ollama_leaves_out_says_so():
    old = {**runs.device(0, "nvidia", "Tesla K80", 11441), "compute_capability": "3.7"}
    drawn = bars.bars(collect.machine(runs.vram(old)), None)
    assert drawn[0]["used_by_plan"] is False


# -- states and reasons ----------------------------------------------------------------------------------------------------


def test_one_dead_host_has_its_sentence_and_leaves_the_others_alone():
    fleet = runs.document_of(EVERY_HOST)
    rows = {row["name"]: row for row in fleet["hosts"]}
    assert rows["attic"]["state"] == "unreachable" and rows["attic"]["reason"] == "ssh: connect to host 10.20.0.9 port 22: No route to host"
    assert rows["win-4090"]["state"] == "failed" and rows["win-4090"]["problem"]["task"] == "Prove that each model runs where the plan put it"
    assert rows["lab-3060"]["state"] == "changed" and rows["lab-3090x2"]["state"] == "ok"
    assert fleet["totals"]["states"] == {"unreachable": 1, "failed": 1, "changed": 3, "would_change": 0, "ok": 4}
    assert [row["name"] for row in fleet["hosts"]] == list(EVERY_HOST)


def test_a_plan_that_fails_is_shown_with_what_it_knows():
    """The planner fails its task, but says in the same result what was too big by how much."""
    machine = runs.vram(runs.device(0, "nvidia", "NVIDIA GeForce GT 1030", 2048, 100), ram_gib=4, available_gib=1)
    plan = runs.planned([{"model": "deepseek-r1:70b", "context": 8192}], machine, {"allow_cpu": False})
    assert not plan["ok"]
    recorder = collect.Recorder()
    say = {"role": "", "changed": False, "groups": ["ollama"]}
    recorder.record("tiny", action="llmfleet.ollama.vram_facts", task="Look", outcome="ok", result={"ansible_facts": {"vram": machine}}, **say)
    failed = {"failed": True, "msg": "; ".join(plan["errors"]), "ansible_facts": {"model_plan": plan}}
    recorder.record("tiny", action="llmfleet.ollama.plan_models", task="Plan", outcome="failed", result=failed, **say)
    (row,) = document.build(recorder.hosts, stats={"tiny": {"failures": 1}}, run=runs.run())["hosts"]
    assert row["state"] == "failed" and "deepseek-r1:70b" in row["reason"] and row["bars"][0]["total_bytes"] == 2048 * MIB


def test_a_failure_that_was_ignored_or_rescued_is_no_failure():
    recorder = collect.Recorder()
    result = {"failed": True, "msg": "no such file"}
    recorder.record("a", action="x.y.z", task="Try", role="", outcome="failed", changed=False, result=result, groups=["ollama"], ignored=True)
    recorder.record("b", action="x.y.z", task="Try", role="", outcome="failed", changed=False, result=result, groups=["ollama"])
    rows = document.build(recorder.hosts, stats={"b": {"failures": 0, "rescued": 1}}, run=runs.run())["hosts"]
    assert [(row["state"], row["problem"]) for row in rows] == [("ok", None)] * 2


def test_a_failure_that_is_ignored_afterwards_does_not_hide_the_real_one():
    """`always:` still runs after a task has failed, and what it ignores is not why the host failed."""
    recorder = collect.Recorder()
    say = {"action": "x.y.z", "role": "", "outcome": "failed", "changed": False, "groups": ["ollama"]}
    recorder.record("a", task="Start", result={"msg": "the server died"}, **say)
    recorder.record("a", task="Tidy up", result={"msg": "nothing to tidy"}, ignored=True, **say)
    (row,) = document.build(recorder.hosts, stats={"a": {"failures": 1, "ignored": 1}}, run=runs.run())["hosts"]
    assert row["reason"] == "the server died"


def test_check_mode_says_would():
    row = row_of(EVERY_HOST["lab-cpu"], run=runs.run(check_mode=True))
    assert row["state"] == "would_change" and row["check_mode"] is True


def test_helpers_without_anything_to_tell_stay_out():
    """localhost takes part in many plays (delegation, checks); it's no machine of the fleet."""
    recorder = collect.Recorder()
    recorder.record("localhost", action="ansible.builtin.assert", task="Check", role="", outcome="ok", changed=False, result={}, groups=["all"])
    assert document.build(recorder.hosts, stats={}, run=runs.run())["hosts"] == []


def test_the_reason_of_a_loop_is_that_of_the_item_that_failed():
    result = {"failed": True, "msg": "One or more items failed", "results": [{"msg": "fine"}, {"failed": True, "msg": "disk full"}]}
    assert collect.message(result) == "disk full"


def test_the_reason_begins_with_the_cause():
    """ansible-core puts 'Task failed: Failed to connect to the host via ssh: ' before it, which takes most of a line."""
    assert collect.message({"msg": "Task failed: Failed to connect to the host via ssh: ssh: no route"}) == "ssh: no route"


def test_memory_that_was_described_and_not_detected_is_drawn():
    """With llm_vram_override no vram_facts runs; a fleet that is only planned would have a page without a single bar."""
    host = EVERY_HOST["lab-3060"]
    recorder = collect.Recorder()
    result = {"vram": host["vram"], "ansible_facts": {"model_plan": host["plan"]}}
    say = {"action": "llmfleet.ollama.plan_models", "task": "Plan", "role": "", "changed": False, "groups": ["ollama"]}
    recorder.record("a", outcome="ok", result=result, **say)
    (row,) = document.build(recorder.hosts, stats={}, run=runs.run())["hosts"]
    assert row["bars"][0]["total_bytes"] == 12288 * MIB and row["disk"]["free_bytes"] == 310 * GIB


# -- measured, drift, mirror -----------------------------------------------------------------------------------------------


def test_prediction_and_measurement_are_compared_term_for_term():
    """Ollama's figures leave out the driver's context and the margin; comparing them with the total would always look 15 % off."""
    host = EVERY_HOST["lab-3060"]
    measured = row_of(host)["models"][0]["measured"]
    memory = host["plan"]["models"][0]["memory"]
    assert measured["predicted_bytes"] == memory["weights_bytes"] + memory["kv_cache_bytes"] + memory["compute_bytes"]
    assert abs(measured["error_percent"]) < 1


def test_a_stand_in_is_not_compared():
    host = copy.deepcopy(EVERY_HOST["lab-3060"])
    host["store"]["models"][0]["size_bytes"] = 430_000
    measured = row_of(host)["models"][0]["measured"]
    assert measured["stand_in"] is True and measured["error_percent"] is None


def test_drift_missing_other_digest_unmanaged_spilled():
    host = copy.deepcopy(EVERY_HOST["lab-3060"])
    host["plan"]["models"][0]["digest"] = "sha256:" + "1" * 64
    host["store"]["proved"][0].update(ok=False, why="2.0 GiB of it lie on the CPU")
    host["store"]["others"] = ["mistral:7b"]
    kinds = {item["kind"]: item["text"] for item in row_of(host)["drift"]}
    assert set(kinds) == {"digest", "unmanaged", "proof"}
    assert "mistral:7b" in kinds["unmanaged"] and kinds["proof"].endswith("2.0 GiB of it lie on the CPU")
    host["store"] = runs.store_of({"models": []})
    assert [item["kind"] for item in row_of(host)["drift"]] == ["missing"]


def test_a_digest_with_or_without_its_prefix_is_the_same():
    host = copy.deepcopy(EVERY_HOST["lab-3060"])
    host["plan"]["models"][0]["digest"] = host["store"]["models"][0]["digest"].removeprefix("sha256:")
    assert row_of(host)["drift"] == []


def test_the_base_of_a_managed_model_is_no_drift():
    host = copy.deepcopy(EVERY_HOST["lab-3060"])
    host["plan"]["models"][0]["from"] = "qwen2.5:14b"
    host["store"]["others"] = ["qwen2.5:14b"]
    assert row_of(host)["drift"] == []


def test_the_mirrors_models_are_not_the_hosts_own():
    row = row_of(EVERY_HOST["lab-hub"])
    assert row["store"] is None and len(row["mirror"]["models"]) == 3 and row["drift"] == []
    assert row["reason"] == "Mirrors 3 models of 49.0 GiB together and serves Open WebUI 0.12.4 at http://172.30.77.10:3000 over 3 Ollama hosts"


def test_the_gateway_says_where_the_fleet_is():
    """It is the one address that clients need, and a removed one must not be told as if it were there."""
    host = {**EVERY_HOST["lab-hub"], "gateway_fact": {"url": "https://172.30.77.10:8443", "removed": False}}
    assert row_of(host)["reason"].endswith("over 3 Ollama hosts and is the fleet's address https://172.30.77.10:8443")
    host["gateway_fact"] = {"url": "", "removed": True}
    assert row_of(host)["reason"].endswith("over 3 Ollama hosts and the gateway was removed")


def test_the_gateway_says_what_it_has_counted():
    """Deleted, a fleet that refuses or fails half of its requests would look well in the report."""
    counted = {"seconds": 7380, "requests": 1234, "refused": 12, "failed": 3}
    hub = {**EVERY_HOST["lab-hub"], "gateway_fact": {"url": "https://172.30.77.10:8443", "removed": False, "traffic": {**counted, "odd": "x"}}}
    fleet = runs.document_of({"hub": hub, "lab-3060": EVERY_HOST["lab-3060"]})
    row, other = fleet["hosts"]
    assert row["traffic"] == {**counted, "until": fleet["run"]["finished"], "tokens_per_second": None, "measured": 0, "models": 1} and other["traffic"] is None
    said = "1234 requests, 12 refused (4xx), 3 failed (5xx) in the 2 h 03 min since its last reload"
    assert table.traffic(row["traffic"], fleet["run"]["finished"]) == said
    assert "gateway: " + said in " ".join(table.render(fleet, 200, []).split()) and "Gateway: " + said in page.render(fleet)
    other["models"][0]["tokens_per_second"]["measured"] = 31.64
    document._name_traffic(fleet["hosts"])
    assert table.traffic(row["traffic"], fleet["run"]["finished"]) == said + "; its models' proofs had 32 tokens/s together, one stream each"
    later = runs.document_of({"hub": EVERY_HOST["lab-hub"]}, previous=fleet, run=runs.run(finished="2027-01-02T03:04:05Z"))
    (kept,) = [row for row in later["hosts"] if row["name"] == "hub"]
    assert kept["traffic"]["requests"] == 1234 and " min before 20" in table.traffic(kept["traffic"], later["run"]["finished"])
    fleet["hosts"][0]["software"]["gateway"]["traffic"] = {"requests": "many"}
    broken = runs.document_of({"hub": EVERY_HOST["lab-hub"]}, previous=fleet)
    assert "0 requests" in table.render(broken, 200, [])


def test_an_ollama_that_open_webui_cannot_reach_is_drift():
    host = copy.deepcopy(EVERY_HOST["lab-hub"])
    host["web"]["left_out"] = [{"url": "http://lab-cpu:11434", "error": "Server Connection Error"}]
    assert [item["text"] for item in row_of(host)["drift"]] == ["Open WebUI cannot reach http://lab-cpu:11434: Server Connection Error"]


@pytest.mark.parametrize(
    ("rolled_back", "told"),
    [(True, "open_webui went back to 0.12.0; 0.12.4 is wanted"), (False, "open_webui runs 0.12.0; 0.12.4 is wanted")],
)
def test_another_release_of_the_web_ui_than_the_wanted_one_is_drift(rolled_back, told):
    """After a rollback the fleet serves and the play has failed: without this the report of the next run would call the host as planned."""
    host = copy.deepcopy(EVERY_HOST["lab-hub"])
    host["web_fact"].update(version="0.12.0", rolled_back=rolled_back)
    assert [item["text"] for item in row_of(host)["drift"]] == [told]


def test_a_mirror_that_had_nothing_to_fill_still_says_what_it_serves_and_how_much():
    """A sum of what this run fetched would read as the size of all: '4 models (173 KiB)' was one of four."""
    host = copy.deepcopy(EVERY_HOST["lab-hub"])
    host["mirror"]["models"] = host["mirror"]["models"][:1]
    assert row_of(host)["reason"].startswith("Mirrors 3 models and serves")
    before = runs.document_of({"host": EVERY_HOST["lab-hub"]}, run=runs.run(finished=EARLIER))
    assert row_of(host, previous=before)["reason"].startswith("Mirrors 3 models of 49.0 GiB together and serves")


def test_a_mirror_that_serves_again_is_removed_no_longer():
    """The role told of its removal, and nobody ever of its return: every later report said that it was gone."""
    removed = {"hub": {**EVERY_HOST["lab-hub"], "removed": ["model_mirror"]}}
    del removed["hub"]["mirror"]
    before = runs.document_of(removed, run=runs.run(finished=EARLIER))
    assert "the mirror was removed" in before["hosts"][0]["reason"]
    assert "removed" not in row_of(EVERY_HOST["lab-hub"], "hub", previous=before)["reason"]


def test_models_that_the_web_ui_offers_and_nobody_planned_are_named_once():
    """The host that holds such a model says so itself where the run asked it; twice would read as two models."""
    everyone = copy.deepcopy(EVERY_HOST)
    everyone["lab-hub"]["web_fact"]["unplanned_models"] = [{"host": "lab-cpu", "name": "llama3.2:3b"}, {"host": "attic", "name": "mistral:7b"}]
    rows = {row["name"]: [item["text"] for item in row["drift"]] for row in runs.document_of(everyone)["hosts"]}
    assert rows["lab-cpu"] == ["llama3.2:3b is installed and not planned"]
    assert rows["lab-hub"] == ["Open WebUI offers mistral:7b of attic, which nobody planned"]


EARLIER = "2026-11-23T09:01:00Z"


def verified(name="lab-3060", playbook="verify.yml", change=None, **more):
    """What verify.yml tells of a host: a plan and answers, and no store."""
    host = copy.deepcopy(EVERY_HOST[name])
    told = {key: host[key] for key in ("groups", "system", "vram", "plan", "seconds")}
    told.update(changes=[], answers=runs.answers_of(host["plan"]))
    if change:
        told["answers"]["results"][0].update(change)
    return row_of(told, name, run=runs.run(playbook), **more)


def test_a_chat_of_verify_is_a_measurement_with_its_answer_and_speed():
    """verify.yml asks chat_check in a loop over the plan's models; its rows have no name of their own."""
    row = verified()
    (model,) = row["models"]
    assert model["chat"]["answer"].startswith("Hello!") and model["chat"]["asked_at"] == runs.NOW
    assert (model["chat"]["first_token_seconds"], model["chat"]["tokens_per_second"], model["chat"]["speed_source"]) == (0.38, 41.25, "ollama")
    assert model["measured"]["ok"] and abs(model["measured"]["error_percent"]) < 1
    assert row["disk"]["to_download_bytes"] == 0, "a model that answers is there, though this run never asked for the store"


def test_verify_adds_to_the_report_and_a_later_run_keeps_it():
    before = runs.document_of({"lab-3060": EVERY_HOST["lab-3060"]}, run=runs.run(finished=EARLIER))
    row = verified(previous=before, change={"size_vram_bytes": 10 * GIB})
    assert row["software"]["ollama"]["version"] == "0.32.15" and row["dates"]["store"] == EARLIER
    assert row["models"][0]["measured"]["bytes"] == 10 * GIB, "of two measurements the later one counts"
    after = row_of(EVERY_HOST["lab-3060"], "lab-3060", run=runs.run(finished="2026-11-25T08:00:00Z"), previous={**before, "hosts": [row]})
    assert after["models"][0]["chat"]["asked_at"] == runs.NOW and after["models"][0]["measured"]["bytes"] < 10 * GIB


def test_a_model_that_answered_from_the_wrong_place_is_shown_with_its_answer():
    """chat_check fails with llm_prove_gpu; the figures are what one needs to see then."""
    failed = {"failed": True, "msg": "m on s: only 1.0 of its 9.5 GiB are on the GPU", "size_vram_bytes": GIB}
    row = verified(change=failed)
    assert row["models"][0]["chat"]["ok"] is False and [item["kind"] for item in row["drift"]] == ["proof"]
    assert verified(change={"failed": True, "msg": "no answer", "size_bytes": None})["models"][0]["chat"] is None


def test_the_rate_is_the_plans_with_what_was_measured_last_beside_it():
    """Of a proof and a chat the later one counts; without both the proof that the plan knew of."""
    host = copy.deepcopy(EVERY_HOST["lab-3060"])
    planned = host["plan"]["models"][0]["tokens_per_second"]
    assert row_of(host, "lab-3060")["models"][0]["tokens_per_second"] == planned and planned["predicted"] > 20
    host["store"]["proved"][0]["tokens_per_second"] = 29.5
    assert row_of(host, "lab-3060")["models"][0]["tokens_per_second"] == {**planned, "measured": 29.5}
    assert verified()["models"][0]["tokens_per_second"] == {**planned, "measured": 41.25}


def test_the_rate_of_a_stand_in_is_not_told_as_measured():
    """The lab's models are a few kilobytes and answer with one sentence."""
    host = copy.deepcopy(EVERY_HOST["lab-3060"])
    host["store"]["proved"][0]["tokens_per_second"] = 900.0
    host["store"]["models"][0]["size_bytes"] = 200000
    assert row_of(host, "lab-3060")["models"][0]["tokens_per_second"]["measured"] is None


def test_an_embedding_model_has_dimensions_and_no_speed():
    by_name = {model["name"]: model["chat"] for model in verified("desk")["models"]}
    assert by_name["nomic-embed-text:latest"]["dimensions"] == 768 and by_name["nomic-embed-text:latest"]["tokens_per_second"] is None


# -- merging with the run before -------------------------------------------------------------------------------------------


def test_a_limited_run_keeps_the_rows_of_the_others_with_their_date():
    before = runs.document_of(EVERY_HOST, run=runs.run(finished=EARLIER))
    after = runs.document_of({"lab-cpu": EVERY_HOST["lab-cpu"]}, previous=before, inventory=runs.inventory_of(EVERY_HOST))
    rows = {row["name"]: row for row in after["hosts"]}
    assert list(rows) == list(EVERY_HOST)
    assert rows["lab-cpu"]["current"] and rows["lab-cpu"]["seen"] == runs.NOW
    assert not rows["lab-3060"]["current"] and rows["lab-3060"]["seen"] == EARLIER and rows["lab-3060"]["bars"]
    assert after["run"]["hosts"] == 1 and after["totals"]["hosts"] == len(EVERY_HOST)
    assert after["totals"]["changes"] == 2, "changes of earlier runs are not of this run"


def test_what_was_removed_is_told_no_longer():
    """After an uninstallation the rows of the run before would claim models and a web UI that nobody serves."""
    before = runs.document_of(EVERY_HOST, run=runs.run(finished=EARLIER))

    def only(name, *parts, removed=()):
        return {name: {**{part: EVERY_HOST[name][part] for part in ("groups", "seconds", "system", *parts)}, "changes": [], "removed": removed}}

    gone = {**only("lab-3060", removed=["ollama"]), **only("lab-hub", removed=["open_webui", "model_mirror"])}
    after = runs.document_of(gone, previous=before, inventory=runs.inventory_of(EVERY_HOST))
    rows = {row["name"]: row for row in after["hosts"]}
    assert rows["lab-3060"]["models"] == [] and rows["lab-3060"]["bars"] and rows["lab-3060"]["reason"] == "Ollama was removed"
    assert rows["lab-hub"]["reason"] == "Open WebUI was removed and the mirror was removed"
    # Planned again, it has a plan again.
    again = runs.document_of(only("lab-3060", "vram", "plan"), previous=after, inventory={"lab-3060": ["ollama"]})
    assert again["hosts"][0]["models"][0]["name"] == "deepseek-r1:14b"
    # A mirror that was set up again has no version that would say so, only the role's word.
    back = {"lab-hub": {**only("lab-hub")["lab-hub"], "set_up": ["model_mirror"]}}
    row = next(row for row in runs.document_of(back, previous=after, inventory=runs.inventory_of(EVERY_HOST))["hosts"] if row["name"] == "lab-hub")
    assert row["reason"] == "Open WebUI was removed"


def without(*names):
    return {name: groups for name, groups in runs.inventory_of(EVERY_HOST).items() if name not in names}


def gone(document):
    return {entry["name"]: entry["text"] for entry in document["gone"]}


def test_a_host_that_left_the_inventory_is_named_until_it_is_uninstalled():
    """Its Ollama serves on, open to all whom it admits; silence would leave it running for years."""
    before = runs.document_of(EVERY_HOST, run=runs.run(finished=EARLIER))
    one = {"lab-cpu": EVERY_HOST["lab-cpu"]}
    after = runs.document_of(one, previous=before, inventory=without("lab-3060", "lab-hub", "attic"))
    assert gone(after) == {
        "lab-3060": "no longer in the inventory; its Ollama was not touched",
        "lab-hub": "no longer in the inventory; its Open WebUI and its mirror were not touched",
    }, "nothing was ever installed on attic"
    assert {entry["name"]: entry["seen"] for entry in after["gone"]}["lab-3060"] == EARLIER
    names = [row["name"] for row in after["hosts"]]
    assert "lab-3060" not in names and after["totals"]["hosts"] == len(EVERY_HOST) - 3, "it counts as no host, and as no failure"
    again = runs.document_of(one, previous=json.loads(json.dumps(after)), inventory=without("lab-3060", "lab-hub", "attic"))
    assert gone(again) == gone(after)
    # The machine is gone for good; the other one comes back and is uninstalled before it leaves.
    forgotten = runs.document_of(one, previous=again, inventory=without("lab-hub"), forget=["lab-hub"])
    assert gone(forgotten) == {}
    uninstalled = {"lab-3060": {"groups": ["ollama"], "system": ("", "", ""), "seconds": 1, "changes": [], "removed": ["ollama"]}}
    done = runs.document_of(uninstalled, previous=before)
    assert gone(runs.document_of(one, previous=done, inventory=without("lab-3060"))) == {}


def test_a_host_that_was_only_planned_leaves_without_a_word():
    host = {key: EVERY_HOST["lab-3060"][key] for key in ("groups", "system", "vram", "plan", "seconds")}
    before = runs.document_of({"lab-3060": {**host, "changes": []}}, run=runs.run(finished=EARLIER))
    assert gone(runs.document_of({"lab-cpu": EVERY_HOST["lab-cpu"]}, previous=before, inventory=without("lab-3060"))) == {}


def test_a_host_that_left_its_group_says_what_still_runs_on_it():
    """It stays in the inventory for its web UI; its Ollama is then managed by nobody, in every later run too."""
    before = runs.document_of({"hub": {**EVERY_HOST["lab-3060"], "groups": ["ollama", "open_webui"]}}, run=runs.run(finished=EARLIER))
    moved = {"hub": {**EVERY_HOST["lab-hub"], "groups": ["open_webui"]}}
    for _again in range(2):
        before = runs.document_of(moved, previous=before)
        assert [item["text"] for item in before["hosts"][0]["drift"] if item["kind"] == "left"] == [
            "Ollama still runs here, and the host is no longer in group ollama: put it back, or remove it first (playbooks/uninstall.yml)"
        ]
    back = runs.document_of({"hub": {**moved["hub"], "groups": ["open_webui", "ollama"]}}, previous=before)
    assert not [item for item in back["hosts"][0]["drift"] if item["kind"] == "left"]


def test_a_host_that_a_play_of_ones_own_manages_never_left_a_group():
    row = row_of({**EVERY_HOST["lab-3060"], "groups": []}, "mine")
    assert row["drift"] == []


# -- where a person goes ---------------------------------------------------------------------------------------------------


def test_the_way_in_is_kept_by_runs_that_leave_the_web_ui_out_and_by_check_mode():
    """Each run ends with it. A first run in check mode must not send people to a web UI that is not there."""
    told = {"url": "http://172.30.77.10:3000", "email": "admin@lab.example", "password_file": ".cache/lab/open-webui-password"}
    first = runs.document_of(EVERY_HOST)
    entrances = {row["name"]: row["entrance"] for row in first["hosts"] if row["entrance"]}
    assert list(entrances) == ["lab-hub"] and told.items() <= entrances["lab-hub"].items()
    for one in ("lab-cpu", "lab-hub"):
        after = runs.document_of({one: EVERY_HOST[one]}, previous=first, inventory=runs.inventory_of(EVERY_HOST), run=runs.run(check_mode=True))
        assert {row["name"]: row["entrance"] for row in after["hosts"] if row["entrance"]} == entrances
    assert [row["entrance"] for row in runs.document_of(EVERY_HOST, run=runs.run(check_mode=True))["hosts"]] == [None] * len(EVERY_HOST)
    removed = {"lab-hub": {**EVERY_HOST["lab-hub"], "removed": ["open_webui"]}}
    removed["lab-hub"].pop("web_fact")
    assert runs.document_of(removed, previous=first)["hosts"][0]["entrance"] is None


def test_an_older_role_that_tells_the_address_alone_is_enough():
    host = copy.deepcopy(EVERY_HOST["lab-hub"])
    for name in ("admin_email", "password_file", "default_model"):
        del host["web_fact"][name]
    assert row_of(host)["entrance"] == {"url": "http://172.30.77.10:3000", "email": "", "password_file": "", "default_model": ""}


# -- machines that nobody owns ---------------------------------------------------------------------------------------------


def test_a_run_is_of_described_machines_only_when_no_host_was_asked():
    """Such a run must not replace a report of real machines, and a real run must not be kept out of it."""
    host = EVERY_HOST["lab-3060"]
    say = {"role": "", "changed": False, "groups": ["ollama"]}

    def recorder():
        made = collect.Recorder()
        made.record(
            "a",
            action="llmfleet.ollama.plan_models",
            task="Plan",
            outcome="ok",
            result={"vram": host["vram"], "ansible_facts": {"model_plan": host["plan"]}},
            **say,
        )
        return made

    assert document.build(recorder().hosts, stats={}, run=runs.run())["run"]["described"] is True
    for action, outcome, result in (
        ("llmfleet.ollama.vram_facts", "ok", {"ansible_facts": {"vram": host["vram"]}}),
        ("ansible.builtin.setup", "ok", {"ansible_facts": {}}),
        ("ansible.builtin.ping", "unreachable", {"msg": "no route"}),
    ):
        asked = recorder()
        asked.record("b", action=action, task="Ask", outcome=outcome, result=result, **say)
        assert document.is_described(asked.hosts) is False
    assert document.is_described({}) is False
    failed = collect.Recorder()
    failed.record("a", action="llmfleet.ollama.plan_models", task="Plan", outcome="failed", result={"failed": True, "msg": "nothing fits"}, **say)
    assert document.is_described(failed.hosts) is True, "a wish that no described machine can hold is no news of a real one"


# -- hosts that do not answer ----------------------------------------------------------------------------------------------


def test_a_host_that_died_keeps_its_last_known_cards_and_says_from_when():
    before = runs.document_of(EVERY_HOST, run=runs.run(finished=EARLIER))
    dead = {"lab-3060": {**runs.other_hosts()["attic"]}}
    after = runs.document_of(dead, previous=before, inventory={"lab-3060": ["ollama"]})
    (row,) = after["hosts"]
    assert row["state"] == "unreachable" and row["current"] and row["seen"] == runs.NOW
    assert row["bars"][0]["total_bytes"] == 12288 * MIB and row["dates"]["machine"] == EARLIER


@pytest.mark.parametrize(
    "damaged", [None, [], "x", {"schema_version": 0, "hosts": [{"name": "old", "dates": {}}]}, {"schema_version": 1, "hosts": [{"name": "x"}, 7]}]
)
def test_a_previous_document_that_is_none_costs_its_history_only(damaged):
    assert len(runs.document_of({"lab-cpu": EVERY_HOST["lab-cpu"]}, previous=damaged, inventory=None)["hosts"]) == 1


def test_merging_twice_changes_nothing():
    first = runs.document_of(EVERY_HOST)
    again = runs.document_of(EVERY_HOST, previous=json.loads(json.dumps(first)))
    assert again == first


# -- what gets in ----------------------------------------------------------------------------------------------------------


def test_only_named_fields_get_in():
    host = copy.deepcopy(EVERY_HOST["lab-3060"])
    host["plan"]["environment"]["OPENAI_API_KEY"] = "hunter2"
    host["store"]["invocation"] = {"module_args": {"password": "hunter2"}}
    host["failed"] = ("Pull", "GET https://me:hunter2@mirror.example.net/v2/ failed\x1b[2J")
    text = json.dumps(runs.document_of({"host": host, "hub": EVERY_HOST["lab-hub"]}))
    assert "hunter2" not in text and "someone@example.net" not in text and "GPU-secret" not in text and "\\u001b" not in text
    assert "https://…@mirror.example.net/v2/ failed" in runs.document_of({"host": host})["hosts"][0]["reason"]


def test_tagged_values_become_plain():
    from ansible.template import trust_as_template
    from ansible_collections.llmfleet.ollama.plugins.plugin_utils.report.text import plain

    tagged = trust_as_template("hello")
    assert tagged.__class__ is not str
    assert plain({"a": [tagged]})["a"][0].__class__ is str
    assert plain({"n": (1, 2.5, True, None)}) == {"n": [1, 2.5, True, None]}


@pytest.mark.parametrize(
    "result",
    [{}, {"ansible_facts": None}, {"ansible_facts": {"vram": {}}}, {"ansible_facts": {"vram": {"devices": [None, 3]}}}, {"results": []}],
)
@pytest.mark.parametrize("action", collect.ACTIONS)
def test_odd_results_never_break_the_report(action, result):
    recorder = collect.Recorder()
    recorder.record("a", action=f"llmfleet.ollama.{action}", task="T", role="", outcome="ok", changed=False, result=result, groups=["ollama"])
    assert len(document.build(recorder.hosts, stats={}, run=runs.run())["hosts"]) == 1


# -- one odd host ----------------------------------------------------------------------------------------------------------

ODD_RESULTS = [
    {"models": [{"name": ["a"], "size_bytes": "many"}]}, {"removed": 7}, {"models": [{"name": "a:1b", "size_bytes": "1 GiB", "downloaded_bytes": []}]},
    {"proved": [{"name": {}, "size_bytes": "x", "size_vram_bytes": [], "ok": False}]}, {"others": 3.5}, {"downloaded_bytes": "all"},
]


@pytest.mark.parametrize("told", ODD_RESULTS)
def test_what_an_odd_host_tells_costs_nobody_else_the_report(told):
    """Deleted: one host whose module answers something odd would leave the whole fleet without a report, and could so hide that it was changed."""
    hosts = {"odd": EVERY_HOST["lab-cpu"], "sound": EVERY_HOST["lab-3060"]}
    recorder = collect.Recorder()
    recorded = runs.recorded(hosts, recorder)
    recorder.record("odd", action="llmfleet.ollama.ollama_models", task="Pull", outcome="ok", changed=True, result=told, groups=["ollama"])
    fleet = document.build(recorded, stats=runs.stats(hosts), run=runs.run(), inventory=runs.inventory_of(hosts))
    assert [row["name"] for row in fleet["hosts"]] == ["odd", "sound"] and fleet["hosts"][1]["models"]
    assert page.render(fleet) and page.as_json(fleet) and table.render(fleet, 120)


def test_a_row_that_cannot_be_made_is_told_of(monkeypatch):
    """Deleted: whatever else a host may tell, of which nobody has thought, would end the report with a traceback."""
    monkeypatch.setattr(document, "_models", lambda row: row["plan"]["models"][0] + 1 if row.get("plan") and row["name"] == "odd" else [])
    fleet = runs.document_of({"odd": EVERY_HOST["lab-3060"], "sound": EVERY_HOST["lab-3060"]})
    assert [item["text"] for item in fleet["hosts"][0]["drift"]] == ["what it told cannot be shown (TypeError)"]
    assert fleet["hosts"][1]["drift"] == [] and fleet["hosts"][1]["bars"]


@pytest.mark.parametrize("told, shown", [
    ("proxy http://me:p/a@ss-S3cr3t@proxy:3128 is off", "proxy http://…@proxy:3128 is off"), ("http://me@host/x", "http://…@host/x"),
    ("http://me:pw@host/x", "http://…@host/x"), ("http://hub:5000/v2/a@sha256:1", "http://hub:5000/v2/a@sha256:1"), ("mail me@host", "mail me@host"),
])
def test_no_password_of_an_address_is_shown(told, shown):
    """Deleted: a proxy's password with a slash or an at sign would stay in the page that people pass around."""
    assert clean(told) == shown


# -- behind ----------------------------------------------------------------------------------------------------------------

TOLD = [
    {"product": "ollama", "has": ["0.32.15"], "text": "Ollama 0.32.15, where there is 0.50.0"},
    {"product": "model", "name": "deepseek-r1:14b", "has": ["a" * 64, "b" * 64], "text": "deepseek-r1:14b is sha256:aaaaaaaaaaaa, and its tag has moved"},
]


def asked(details):
    """A run of playbooks/outdated.yml over one host."""
    recorder = collect.Recorder()
    result = {"behind": [item["text"] for item in details], "details": details, "failed": bool(details), "msg": "behind: x"}
    recorder.record(
        "gpu", action="llmfleet.ollama.outdated", task="Say what is behind", outcome="failed" if details else "ok", changed=False, result=result,
        groups=["ollama"],
    )
    return recorder.hosts


def run_of(hosts, when, previous=None, failures=0):
    stats = {name: {"failures": failures, "unreachable": 0} for name in hosts}
    return document.build(hosts, stats=stats, run=runs.run(finished=when), previous=previous, inventory={"gpu": ["ollama"]})


def told_by(action, result):
    recorder = collect.Recorder()
    recorder.record("gpu", action=action, task="t", outcome="ok", changed=False, result=result, groups=["ollama"])
    return recorder.hosts


def test_what_is_behind_stays_until_it_is_brought_up():
    """Deleted, the column would be empty after the next run of site.yml, or go on to ask for an upgrade that was made."""
    first = run_of(asked(TOLD), "2026-11-27T08:00:00Z", failures=1)
    assert first["hosts"][0]["behind"] == [item["text"] for item in TOLD] and first["totals"]["behind"] == 2
    fact = {"ansible_facts": {"ollama": {"version": "0.32.15"}}}
    second = run_of(told_by("ansible.builtin.set_fact", fact), "2026-11-27T09:00:00Z", first)
    assert len(second["hosts"][0]["behind"]) == 2
    fact["ansible_facts"]["ollama"]["version"] = "0.50.0"
    # As a host tells it where the role is not entered.
    third = run_of(told_by("llmfleet.ollama.plan_service", fact), "2026-11-27T10:00:00Z", second)
    assert third["hosts"][0]["behind"] == [TOLD[1]["text"]]
    pulled = {"models": [{"name": "deepseek-r1:14b", "digest": "sha256:" + "c" * 64}]}
    fourth = run_of(told_by("llmfleet.ollama.ollama_models", pulled), "2026-11-27T11:00:00Z", third)
    assert fourth["hosts"][0]["behind"] == []
    assert run_of(asked([]), "2026-11-27T12:00:00Z", first)["hosts"][0]["behind"] == []
    gone = run_of(told_by("ansible.builtin.set_fact", {"ansible_facts": {"ollama": {"removed": True}}}), "2026-11-27T12:00:00Z", first)
    assert gone["hosts"][0]["behind"] == []


@pytest.mark.parametrize("version, count", [("0.31.0", 1), (releases.default(), 0), ("0.40.2", 0), ("", 0)])
def test_who_was_never_asked_is_compared_with_what_ships(version, count):
    fleet = run_of(told_by("ansible.builtin.set_fact", {"ansible_facts": {"ollama": {"version": version}}}), "2026-11-27T08:00:00Z")
    assert len(fleet["hosts"][0]["behind"]) == count


def test_the_column_is_there_where_something_is_behind():
    fleet = run_of(asked(TOLD), "2026-11-27T08:00:00Z", failures=1)
    told = table.render(fleet, 120)
    assert "behind: Ollama" not in " ".join(told.split()), "the failure of outdated.yml has said it"
    assert "BEHIND" in told and told.count("BEHIND") == 1 and "BEHIND" not in table.render(run_of(asked([]), "2026-11-27T08:00:00Z"), 120)
    line = next(line for line in told.splitlines() if line.startswith("gpu "))
    assert line.split()[1:] == ["2", "failed"]
    later = run_of(told_by("ansible.builtin.set_fact", {"ansible_facts": {"ollama": {"version": "0.32.15"}}}), "2026-11-27T09:00:00Z", fleet)
    assert "behind: Ollama 0.32.15, where there is 0.50.0; deepseek-r1:14b is" in " ".join(table.render(later, 120).split())
    assert "Behind: deepseek-r1:14b is sha256:aaaaaaaaaaaa, and its tag has moved" in page.render(later)
