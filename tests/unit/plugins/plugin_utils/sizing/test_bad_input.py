# Copyright: (c) 2026, The llmfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Bad input stops with one sentence that names the variable and the way out; without these tests it would fail late, on a half-changed host."""

from __future__ import annotations

import pytest
from ansible_collections.llmfleet.ollama.plugins.plugin_utils.sizing.machine import described
from ansible_collections.llmfleet.ollama.plugins.plugin_utils.sizing.plan import make_plan

CASES = [
    ([{"family": "deepsek-r1"}], {}, ["llm_models[0].family", "did you mean deepseek-r1 or"]),
    ([{"family": "zzz"}], {}, ["llm_models[0].family", "known are"]),
    ([{"model": "deepseek-r1:15b"}], {}, ["llm_models[0].model", "did you mean"]),
    ([{"model": "unheard-of:1b"}], {}, ["llm_models[0].model", "llm_metadata_sources"]),
    ([{"model": "a/b/c/d:1"}], {}, ["llm_models[0].model"]),
    ([{"family": "deepseek-r1", "min_context": 200000}], {}, ["llm_models[0].min_context is 200000", "write 163840 or less"]),
    ([{"model": "deepseek-r1:14b", "min_context": 140000}], {}, ["llm_models[0].min_context is 140000", "write 131072 or less"]),
    ([{"model": "qwen3:8b", "min_context": 99999}], {}, ["llm_models[0].min_context is 99999", "40960"]),
    ([{"family": "deepseek-r1", "context": "lots"}], {}, ["llm_models[0].context is 'lots'", "whole number"]),
    ([{"family": "deepseek-r1", "context": 2048, "min_context": 4096}], {}, ["llm_models[0].min_context"]),
    ([{"family": "deepseek-r1", "contxt": 2048}], {}, ["llm_models[0] has no 'contxt'", "context"]),
    ([{"family": "deepseek-r1", "replica": 2}], {}, ["llm_models[0] has no 'replica': did you mean replicas?"]),
    ([{"family": "deepseek-r1", "keep_warm": "maybe"}], {}, ["llm_models[0].keep_warm is 'maybe'", "true or false"]),
    ([{"family": "deepseek-r1", "keepwarm": True}], {}, ["llm_models[0] has no 'keepwarm': did you mean keep_warm?"]),
    ([{"family": "deepseek-r1", "replicas": 0}], {}, ["llm_models[0].replicas is 0: write 1 or more"]),
    ([{"family": "deepseek-r1", "replicas": "two"}], {}, ["llm_models[0].replicas is 'two'", "whole number"]),
    ([{"family": "deepseek-r1", "model": "x"}], {}, ["llm_models[0]", "exactly one"]),
    ([{"name": "x"}], {}, ["llm_models[0]", "from"]),
    ([{"from": "qwen3:8b"}], {}, ["llm_models[0]", "name"]),
    ([{"model": "qwen3:8b", "parameters": {"num_predict": 1}}], {}, ["llm_models[0]", "'from'"]),
    ([5], {}, ["llm_models[0]", "family"]),
    ("deepseek-r1", {}, ["llm_models is no list"]),
    ([{"family": "deepseek-r1", "quantizations": ["Q9"]}], {}, ["llm_models[0].quantizations", "Q4_K_M"]),
    ([{"family": "deepseek-r1", "quantizations": ["Q2_K"]}], {}, ["llm_models[0]", "it has"]),
    ([], {"paralel": 2}, ["llm_policy has no 'paralel'", "parallel"]),
    ([], {"kv_cache_types": ["q5_0"]}, ["llm_policy.kv_cache_types[0]"]),
    ([], {"reserve_bytes": -1}, ["llm_policy.reserve_bytes"]),
    ([], {"resident": "some"}, ["llm_policy.resident"]),
    ([], {"fit_margin_bytes": 1}, ["llm_policy.fit_margin_bytes"]),
    ([], {"allow_cpu": "maybe"}, ["llm_policy.allow_cpu"]),
    ([], {"min_tokens_per_second": "fast"}, ["llm_policy.min_tokens_per_second is 'fast'", "such as 10"]),
    ([], {"min_tokens_per_second": -1}, ["llm_policy.min_tokens_per_second"]),
    ([], {"min_offload_share": True}, ["llm_policy.min_offload_share"]),
    ([], {"cpu_min_tokens_per_second": 5}, ["llm_policy.cpu_min_tokens_per_second", "min_tokens_per_second now"]),
]


@pytest.mark.parametrize("models,policy,words", CASES)
def test_the_sentence_names_the_variable_and_the_way_out(make_machine, make_card, models, policy, words):
    found = make_plan(models, policy, make_machine(make_card()), "0.32.15", ["catalogue"])
    assert not found["ok"] and len(found["errors"]) == 1 and not found["models"] and not found["environment"]
    for word in words:
        assert word in found["errors"][0]


@pytest.mark.parametrize(
    "model,words",
    [
        ("gpt-oss:120b-cloud", "which runs in Ollama's cloud and has no weights that a host could hold: write a tag without 'cloud'"),
        ("mixtral:8x7b", "which is sized by its header only: add 'header' to llm_metadata_sources"),
    ],
)
def test_a_tag_that_nothing_here_can_size(make_machine, model, words):
    """It was said to be unknown, with names that resemble it."""
    (text,) = make_plan([{"model": model}], {}, make_machine(), "0.32.15", ["catalogue", "estimate"])["errors"]
    assert text.startswith("llm_models[0].model is '%s', %s" % (model, words))


def test_all_problems_are_told_at_once(make_machine, make_card):
    found = make_plan([{"family": "deepsek"}, {"model": "deepseek-r1:15b"}], {}, make_machine(make_card()), "0.32.15", ["catalogue"])
    assert len(found["errors"]) == 2


def test_nothing_fits_by_how_many_bytes_for_each_tag(make_machine, make_card):
    found = make_plan([{"family": "deepseek-r1"}], {"allow_partial_offload": False}, make_machine(make_card("GT 1030", 1024, 20)), "0.32.15", ["catalogue"])
    for tag in ("671b", "70b", "32b", "14b", "8b", "7b", "1.5b"):
        assert " %s is short of " % tag in found["errors"][0]
    assert "allow_partial_offload" in found["errors"][0]


def test_two_wants_that_cannot_live_together(make_machine, make_card):
    wants = [{"model": "deepseek-r1:14b", "context": 8192}, {"model": "qwen3:14b", "context": 8192}]
    found = make_plan(wants, {"allow_partial_offload": False}, make_machine(make_card()), "0.32.15", ["catalogue"])
    assert "llm_models[0] and llm_models[1] cannot live in memory together" in found["errors"][0]
    assert "llm_policy.resident to one" in found["errors"][0]


@pytest.mark.parametrize("sources,words", [([], "is empty"), (["headers"], "names 'headers'")])
def test_sources(make_machine, sources, words):
    assert words in make_plan([], {}, make_machine(), "0.32.15", sources)["errors"][0]


def test_a_version_that_is_none(make_machine):
    assert "ollama_version is 'newest'" in make_plan([], {}, make_machine(), "newest", ["catalogue"])["errors"][0]


def test_facts_without_any_memory():
    assert "vram_facts" in make_plan(["llama3.2:1b"], {}, {"devices": []}, "0.32.15", ["catalogue"])["errors"][0]


@pytest.mark.parametrize("other", [{"family": "llama3.2"}, {"model": "llama3.2:3b"}, {"name": "mine", "from": "llama3.2:3b"}, {"model": "nomic-embed-text"}])
def test_a_model_that_must_be_on_a_gpu_is_refused_where_there_is_none(make_machine, other):
    """Planned for the processor it would answer, slowly, and nobody would know why."""
    assert make_plan([other], {}, make_machine(), "0.32.15", ["catalogue"])["ok"]
    found = make_plan([{"family": "qwen3"}, dict(other, require_gpu=True)], {}, make_machine(), "0.32.15", ["catalogue"])
    (text,) = found["errors"]
    assert text.startswith("llm_models[1].require_gpu is true, and this host has no GPU that Ollama uses: take require_gpu out")


def test_layers_that_a_person_keeps_off_the_gpu_contradict_that_all_must_be_there(make_machine, make_card):
    def planned(layers):
        want = {"name": "mine", "from": "llama3.2:3b", "parameters": {"num_gpu": layers}, "require_gpu": True}
        return make_plan([want], {}, make_machine(make_card()), "0.32.15", ["catalogue"])

    for layers in (0, 20):
        (text,) = planned(layers)["errors"]
        assert "num_gpu is %d, which leaves %d of 28 layers to the processor" % (layers, 28 - layers) in text
    assert planned(99)["ok"] and planned(-1)["ok"]


def test_a_refusal_names_the_wish_that_forbids_system_memory(make_machine, make_card):
    def way(ram, **want):
        (text,) = make_plan([{"model": "llama3.3:70b", **want}], {}, make_machine(make_card(), ram=ram), "0.32.15", ["catalogue"])["errors"]
        return text

    assert "or choose" not in way(16) and "require_gpu" not in way(16)
    assert "ake require_gpu out, so that a part of it may lie in system memory" in way(64, require_gpu=True)
    assert "require_gpu" not in way(16, require_gpu=True), "it does not fit there either"


def test_models_that_take_turns_cannot_all_stay_loaded(make_machine, make_card):
    """Each would push the other out, and both would be loaded again and again."""
    warm = [{"model": "qwen3:8b", "keep_warm": True}, {"model": "deepseek-r1:7b", "keep_warm": True}]
    (error,) = make_plan(warm, {"resident": "one"}, make_machine(make_card()), "0.32.15", ["catalogue"])["errors"]
    assert "llm_models[0] and llm_models[1] have keep_warm, but llm_policy.resident is one" in error and "GiB of 11.6 GiB" in error
    one = make_plan([warm[0], "deepseek-r1:7b"], {"resident": "one"}, make_machine(make_card()), "0.32.15", ["catalogue"])
    assert one["ok"] and [entry.get("keep_warm") for entry in one["models"]] == [True, None]


@pytest.mark.parametrize("total", [25769803776, "25769803776", "24 GiB", "24GiB"])
def test_a_card_that_a_person_describes_may_have_its_memory_as_text(total):
    """Before ansible-core 2.19 templates give text for numbers."""
    found = make_plan(["llama3.2:3b"], {}, {"devices": [{"vendor": "nvidia", "name": "a", "memory_total_bytes": total}]}, "0.32.15", ["catalogue"])
    assert found["ok"] and found["models"][0]["budget_bytes"] == 24 << 30


@pytest.mark.parametrize(
    "vram,words",
    [
        ({"devices": [{"memory_total_bytes": "lots"}]}, "llm_vram_override.devices[0].memory_total_bytes is 'lots': write a number of bytes"),
        ({"devices": [{"memory_totl_bytes": 1}]}, "llm_vram_override.devices[0] has no 'memory_totl_bytes': did you mean memory_total_bytes?"),
        ({"device": []}, "llm_vram_override has no 'device': did you mean devices?"),
        ({"devices": {"a": 1}}, "llm_vram_override.devices is no list"),
        ({"devices": ["L40S"]}, "llm_vram_override.devices[0] is no mapping"),
        ({"devices": [], "system_memory": 64}, "llm_vram_override.system_memory is no mapping: write keys such as total_bytes"),
        ({"system_memory": {"total_byte": 1}}, "llm_vram_override.system_memory has no 'total_byte': did you mean total_bytes?"),
        ({"system_memory": {"bandwidth_bytes_per_second": "fast"}}, "llm_vram_override.system_memory.bandwidth_bytes_per_second is 'fast': write a number of"),
        ({"cpu": {"physical_core": 8}}, "llm_vram_override.cpu has no 'physical_core': did you mean physical_cores?"),
        ({"cpu": {"physical_cores": "eight"}}, "llm_vram_override.cpu.physical_cores is 'eight': write a whole number, such as 8"),
        ({"cpu": 8}, "llm_vram_override.cpu is no mapping: write keys such as architecture, count, physical_cores below it"),
        ({"devices": [{"unified": "perhaps"}]}, "llm_vram_override.devices[0].unified is 'perhaps': write true or false"),
        ({"devices": [{"vendor": "nvdia"}]}, "llm_vram_override.devices[0].vendor is 'nvdia': did you mean nvidia?"),
        ({"devices": [{"type": "integratd"}]}, "llm_vram_override.devices[0].type is 'integratd': did you mean integrated?"),
        ({"devices": [{"index": "first"}]}, "llm_vram_override.devices[0].index is 'first': write a whole number"),
        ({"devices": [{"name": ["L40S"]}]}, "llm_vram_override.devices[0].name is '['L40S']': write one word or name"),
        ({"devices": [{"memory_used_by": {"name": "x"}}]}, "llm_vram_override.devices[0].memory_used_by is no list: write '- {name: …, memory_bytes: …}'"),
        ({"devices": [{"memory_used_by": [{"memory_byte": 1}]}]}, "llm_vram_override.devices[0].memory_used_by[0] has no 'memory_byte': did you mean"),
        ({"devices": [{"mig": {"enable": True}}]}, "llm_vram_override.devices[0].mig has no 'enable': did you mean enabled?"),
        ({"devices": [{"mig": {"instances": [{"memory_total_bytes": "x"}]}}]}, "llm_vram_override.devices[0].mig.instances[0].memory_total_bytes is 'x'"),
        ({"filesystems": [{"mountpoint": "/"}]}, "llm_vram_override.filesystems[0] has no 'mountpoint': did you mean mount_point?"),
        ({"gpus": [{"name": "L40S"}]}, "llm_vram_override has no 'gpus': did you mean devices?"),
        ({"devices": [], "ram": "64 GiB"}, "llm_vram_override has no 'ram': did you mean system_memory?"),
        ({"devices": [], "sytem_memory": {}, "system_memory": {}}, "llm_vram_override has no 'sytem_memory': did you mean system_memory?"),
        ({"system_memory": {"total": "64 GiB"}}, "llm_vram_override.system_memory has no 'total': did you mean total_bytes?"),
        ({"system_memory": {"bandwidth": 51}}, "llm_vram_override.system_memory has no 'bandwidth': did you mean bandwidth_bytes_per_second?"),
        ({"cpu": {"cores": 8}}, "llm_vram_override.cpu has no 'cores': did you mean physical_cores?"),
        ({"devices": [{"vram": "24 GiB"}]}, "llm_vram_override.devices[0] has no 'vram': did you mean memory_total_bytes?"),
        ({"devices": [{"name": "L40S", "count": 4}]}, "llm_vram_override.devices[0] has no 'count': write some of index, vendor, name"),
        ({"devices": [{"memory_total_bytes": 24}]}, "llm_vram_override.devices[0].memory_total_bytes is '24': write a number of bytes, such as"),
        ({"devices": [{"memory_bandwidth_bytes_per_second": 936}]}, "llm_vram_override.devices[0].memory_bandwidth_bytes_per_second is '936': write a number"),
        ({"system_memory": {"total_bytes": "64"}}, "llm_vram_override.system_memory.total_bytes is '64': write a number of bytes"),
        ({"environment": {"CUDA_VISIBLE_DEVICE": "0"}}, "llm_vram_override.environment has no 'CUDA_VISIBLE_DEVICE': did you mean CUDA_VISIBLE_DEVICES?"),
    ],
)
def test_a_machine_that_is_described_wrongly_is_a_sentence(vram, words):
    """It was a Python exception, or a plan for the processor."""
    (text,) = make_plan(["llama3.2:3b"], {}, vram, "0.32.15", ["catalogue"])["errors"]
    assert text.startswith(words)


def test_text_stands_for_what_the_schema_has_at_every_level():
    """Templates before ansible-core 2.19 give text for all of it: 'false' would be true, and a vendor in capitals another one."""
    plain = {
        "devices": [
            {"index": 1, "vendor": "nvidia", "name": "NVIDIA L40S", "unified": False, "accessible": True,
             "memory_total_bytes": 48 << 30, "memory_usable_bytes": 47 << 30,
             "compute_capability": "8.9", "memory_bandwidth_bytes_per_second": 864 * 10**9, "memory_used_by": [{"name": "x", "memory_bytes": 1 << 30}]},
        ],
        "system_memory": {"total_bytes": 64 << 30, "bandwidth_bytes_per_second": 51 * 10**9},
        "cpu": {"physical_cores": 8},
        "filesystems": [{"path": "/", "total_bytes": 10**12}],
    }  # fmt: skip
    written = {
        "devices": [
            {"index": "1", "vendor": "NVIDIA", "name": "NVIDIA L40S", "unified": "false", "accessible": "yes",
             "memory_total_bytes": "48 GiB", "memory_usable_bytes": "47GiB",
             "compute_capability": 8.9, "memory_bandwidth_bytes_per_second": "864 GB/s", "memory_used_by": [{"name": "x", "memory_bytes": "1 GiB"}]},
        ],
        "system_memory": {"total_bytes": "64 GiB", "bandwidth_bytes_per_second": "51 GB"},
        "cpu": {"physical_cores": "8"},
        "filesystems": [{"path": "/", "total_bytes": "1 TB"}],
    }  # fmt: skip
    assert described.checked(written) == plain == described.checked(plain)


@pytest.mark.parametrize(
    "written,meant",
    [
        ({"name": "RTX 3090"}, {"vendor": "nvidia", "name": "RTX 3090"}),
        ({"name": "RX 7900 XTX"}, {"vendor": "amd", "name": "RX 7900 XTX"}),
        ({"name": "M4 Max"}, {"vendor": "apple", "name": "M4 Max", "unified": True}),
        ({"vendor": "nvidia", "name": "GB10"}, {"vendor": "nvidia", "name": "GB10", "unified": True}),
        ({"name": "Ryzen AI Max+ 395"}, {"vendor": "amd", "name": "Ryzen AI Max+ 395", "unified": True}),
        ({"name": "Radeon 780M"}, {"vendor": "amd", "name": "Radeon 780M", "type": "integrated", "unified": True}),  # which Ollama leaves out
        ({"name": "Tesla P40"}, {"vendor": "nvidia", "name": "Tesla P40", "compute_capability": "6.1"}),
        ({"name": "a card of tomorrow"}, {"name": "a card of tomorrow"}),
    ],
)
def test_what_a_name_says_need_not_be_written(written, meant):
    """A Mac without 'unified: true' had its memory twice, and an RTX 3090 without its vendor was planned as a card of nobody's, with half of its speed."""
    assert described.checked({"devices": [written]}) == {"devices": [meant]}
    assert described.checked({"schema_version": 1, "devices": [written]})["devices"] == [written]
    (card,) = described.checked({"devices": [{**written, "memory_total_bytes": "24 GiB"}]})["devices"]
    # The table of copies and the report know this one only; macOS lends its GPU two thirds of so much.
    assert card["memory_usable_bytes"] == (16 << 30 if meant.get("vendor") == "apple" else 24 << 30)


def test_a_card_that_ollama_leaves_to_the_processor_is_known_by_its_name():
    """Of a Tesla K80 the driver says 3.7, below what Ollama uses; planned by hand it was given models that the machine would have computed itself."""
    facts = {"devices": [{"name": "Tesla K80", "memory_total_bytes": "12 GiB"}], "system_memory": {"total_bytes": "64 GiB"}}
    found = make_plan([{"family": "deepseek-r1"}], {}, facts, "0.32.15", ["catalogue"])
    assert [entry["placement"] for entry in found["models"]] == ["cpu"]
    assert "Tesla K80 is not used: compute capability 3.7 is below Ollama's 5.0" in found["warnings"]


@pytest.mark.parametrize("system", ["32 GiB", "128 GiB"])
def test_a_strix_halo_is_described_with_or_without_its_own_part(system):
    """Its firmware gives the GPU 96 of 128 GiB, and the system has 32; or the GPU may map 96 of 128."""
    facts = {"devices": [{"name": "Radeon 8060S", "memory_total_bytes": "96 GiB"}], "system_memory": {"total_bytes": system}}
    found = make_plan([{"model": "gpt-oss:120b"}], {}, facts, "0.32.15", ["catalogue"])
    assert found["ok"] and found["models"][0]["budget_bytes"] == 96 << 30


def test_facts_of_another_release_may_have_more(make_machine, make_card):
    """A key or word that resembles none of ours is left as it is, and so is what no plan reads."""
    facts = make_machine(make_card("NVIDIA L40S", 46068))
    facts["devices"][0].update(vendor="nvidia", fan_speed=3, source="nvml-2027", driver={"name": "nvidia", "branch": "r700"})
    facts.update(probes=[{"nam": 1}], totals={"cout": 1}, quantum={"qubits": "2"})
    assert described.checked(facts)["quantum"] == {"qubits": "2"}
    assert make_plan(["llama3.2:3b"], {}, facts, "0.32.15", ["catalogue"])["ok"]
