# Copyright: (c) 2026, The llmfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which models a chat offers and begins with.

Deleted, nothing would show that the first "hello" of a new user goes to an embedding model, that a default follows the plan or that a choice which
an administrator made in the page is undone at each run.
"""

from __future__ import annotations

import pytest
from ansible.module_utils.basic import AnsibleModule
from ansible_collections.llmfleet.ollama.plugins.module_utils.open_webui import api, shown_models
from ansible_collections.llmfleet.ollama.plugins.plugin_utils.web_ui.models import planned_models, quality
from support import servers

URLS = ["http://10.0.0.5:11434", "http://10.0.0.6:11434"]
BACKENDS = [{"url": URLS[0], "prefix_id": "gpu1"}, {"url": URLS[1] + "/", "prefix_id": "gpu2"}]


def wish(name, size=14.8, chat=True, on_gpu=True):
    return {"name": name, "chat": chat, "quality": size, "on_gpu": on_gpu}


PLANNED = [
    {"host": "gpu1", "url": URLS[0], "prefix_id": "gpu1", "models": [wish("deepseek-r1:14b"), wish("nomic-embed-text:latest", 0.1, chat=False)]},
    {"host": "gpu2", "url": URLS[1], "prefix_id": "gpu2", "models": [wish("deepseek-r1:70b", 70.6)]},
]


def listed(name, number=0, family="qwen2", capabilities=None):
    found = {"model": name, "name": name, "urls": [number], "details": {"family": family, "families": [family]}}
    return {**found, "capabilities": capabilities} if capabilities else found


EMBEDDING = "gpu1.nomic-embed-text:latest"
FLEET = [listed(EMBEDDING, family="nomic-bert"), listed("gpu1.deepseek-r1:14b"), listed("gpu2.deepseek-r1:70b", 1, "llama"), listed("gpu2.mistral:7b", 1)]
OPTIONS = {"backends": BACKENDS, "planned": PLANNED, "default_model": "planned", "hide_non_chat": True}


@pytest.fixture
def fleet(webui, tmp_path):
    webui.reachable = {URLS[0]: "0.32.15", URLS[1]: "0.32.15", URLS[1] + "/": "0.32.15"}
    webui.listed = list(FLEET)
    webui.remember = str(tmp_path / "default_model")
    return webui


def located(*models):
    return shown_models.located(list(models), URLS, PLANNED)


@pytest.mark.parametrize(
    "model, silent",
    [
        (listed("gpu1.deepseek-r1:14b", capabilities=["completion", "thinking"]), False),
        (listed("gpu1.qwen3-embedding:0.6b", family="qwen3", capabilities=["embedding"]), True),
        # The server's word wins over the plan's.
        (listed(EMBEDDING, family="nomic-bert", capabilities=["completion"]), False),
        (listed("gpu1.Nomic-Embed-Text:latest", family="qwen2"), True),
        (listed("gpu1.bge-m3:latest", family="bert"), True),
        (listed("gpu1.unknown:latest", family="llama"), False),
        ({"model": "gpu1.old:latest", "urls": [0]}, False),
        # Not one of the inventory's servers.
        (listed("elsewhere.mxbai:latest", number=7, family="bert"), True),
    ],
)
def test_what_cannot_chat(model, silent):
    assert shown_models.cannot_chat(located(model)[0]) is silent


def test_the_best_planned_model_that_is_there_is_the_default_and_embeddings_are_hidden(fleet, configure):
    options = {**OPTIONS, "remember": fleet.remember}
    first = configure(**options)
    assert first["default_model"] == fleet.models_config["DEFAULT_MODELS"] == "gpu2.deepseek-r1:70b"
    assert first["hidden"] == [EMBEDDING] and [record["meta"] for record in fleet.records] == [{"hidden": True}]
    assert first["unplanned_models"] == [{"host": "gpu2", "name": "mistral:7b"}]
    second = configure(**options)
    assert not second["changed"] and fleet.changes == [] and second["default_model"] == "gpu2.deepseek-r1:70b"


def test_a_dry_run_says_it_and_changes_nothing(fleet, configure):
    configure(backends=BACKENDS)
    result = configure(check=True, **OPTIONS, remember=fleet.remember)
    assert result["hidden"] == [EMBEDDING] and result["default_model"] == "gpu2.deepseek-r1:70b" and fleet.changes == []
    assert result["diff"]["after"][f"model {EMBEDDING}"] == "hidden, it cannot chat"
    configure(**OPTIONS, remember=fleet.remember)
    assert fleet.models_config["DEFAULT_MODELS"] == "gpu2.deepseek-r1:70b", "a dry run must not remember what it did not set"


def test_the_default_follows_the_plan(fleet, configure):
    fleet.listed = FLEET[:2]
    configure(**OPTIONS, remember=fleet.remember)
    assert fleet.models_config["DEFAULT_MODELS"] == "gpu1.deepseek-r1:14b"
    fleet.listed = list(FLEET)
    assert configure(**OPTIONS, remember=fleet.remember)["default_model"] == "gpu2.deepseek-r1:70b"


def test_what_an_administrator_chose_stays_while_it_is_there(fleet, configure):
    configure(**OPTIONS, remember=fleet.remember)
    fleet.models_config["DEFAULT_MODELS"] = "gpu2.mistral:7b"
    assert not configure(**OPTIONS, remember=fleet.remember)["changed"]
    fleet.listed = FLEET[:3]
    assert configure(**OPTIONS, remember=fleet.remember)["default_model"] == "gpu2.deepseek-r1:70b"


def test_an_embedding_model_is_nobodys_choice_for_a_chat(fleet, configure):
    fleet.models_config["DEFAULT_MODELS"] = EMBEDDING
    assert configure(**OPTIONS, remember=fleet.remember)["default_model"] == "gpu2.deepseek-r1:70b"


def test_a_model_that_an_administrator_shows_stays_shown(fleet, configure):
    fleet.records = [{"id": EMBEDDING, "name": "Embeddings", "base_model_id": None, "meta": {"hidden": False}, "params": {}, "is_active": True}]
    assert configure(**OPTIONS)["hidden"] == [] and fleet.records[0]["meta"] == {"hidden": False}


def test_what_an_administrator_wrote_of_a_model_is_kept_when_it_is_hidden(fleet, configure):
    record = {"id": EMBEDDING, "name": "Embeddings", "base_model_id": None, "meta": {"description": "kept"}, "params": {"seed": 1}, "is_active": True}
    fleet.records = [record]
    configure(**OPTIONS)
    assert fleet.records == [{**record, "meta": {"description": "kept", "hidden": True}}]


def test_a_model_that_is_named_is_set_and_an_empty_name_leaves_all_alone(fleet, configure, monkeypatch):
    said = []
    monkeypatch.setattr(AnsibleModule, "warn", lambda _module, text: said.append(text))
    assert configure(**{**OPTIONS, "default_model": "gpu2.mistral:7b"})["default_model"] == "gpu2.mistral:7b"
    assert configure(**{**OPTIONS, "default_model": ""})["default_model"] == "gpu2.mistral:7b"
    configure(**{**OPTIONS, "default_model": "gpu2.mistral:70b"})
    assert [text.partition(";")[0] for text in said] == ["open_webui_default_model is gpu2.mistral:70b, which no server offers now"]


def test_without_plans_nothing_is_chosen_and_nobody_is_accused(fleet, configure):
    result = configure(backends=BACKENDS, default_model="planned", hide_non_chat=True)
    assert result["default_model"] == "" and result["unplanned_models"] == [] and result["hidden"] == [EMBEDDING]


def plan(*entries, ok=True):
    return {"ansible_facts": {"model_plan": {"ok": ok, "models": list(entries)}}}


def entry(name, size, quantization="Q4_K_M", **more):
    family, _colon, tag = name.partition(":")
    return {"name": name, "family": family, "tag": tag, "parameter_size": size, "quantization": quantization, "placement": "gpu", **more}


def test_plans_become_what_the_module_takes():
    hostvars = {
        "gpu1": {"ansible_host": "10.0.0.5", **plan(entry("r1-short", "14.8B", **{"from": "deepseek-r1:14b"}), entry("nomic-embed-text:v1.5", "137M", "F16"))},
        "gpu2": {"ansible_host": "10.0.0.6", **plan(ok=False)},
        "gpu3": {"ansible_host": "10.0.0.7", **plan(entry("qwen3:8b", "8.2B"))},
    }
    rows = planned_models(BACKENDS, list(hostvars), hostvars, "hub", "bridge")
    assert [(row["host"], row["prefix_id"]) for row in rows] == [("gpu1", "gpu1")], "no plan or no connection: no row"
    assert [(model["name"], model["chat"]) for model in rows[0]["models"]] == [
        ("r1-short", True),
        ("nomic-embed-text:v1.5", False),
        ("deepseek-r1:14b", True),
    ]


def test_quality_is_the_plans_own_order():
    """More parameters win, then the weights that lose less; a file that nobody counted goes by its bytes."""
    order = [entry("a", "137M", "F16"), entry("b", "7.6B"), entry("c", "7.6B", "Q8_0"), entry("d", "14.8B"), entry("e", "70.6B")]
    assert sorted(order, key=quality) == order
    assert quality(entry("f", None, memory={"weights_bytes": 9 * 10**9})) == pytest.approx(quality(entry("d", "14.8B")), abs=0.1)


def test_a_cpu_host_is_not_the_default_where_a_gpu_has_the_same():
    slow = {**PLANNED[0], "models": [wish("deepseek-r1:14b", on_gpu=False)]}
    fast = {**PLANNED[1], "models": [wish("deepseek-r1:14b")]}
    models = shown_models.located([listed("gpu1.deepseek-r1:14b"), listed("gpu2.deepseek-r1:14b", 1)], URLS, [slow, fast])
    assert shown_models.best(models) == "gpu2.deepseek-r1:14b"


def test_a_copy_of_ollamas_own_is_no_model_to_chat_with():
    """Deleted, people would find llamacpp:<64 hex> among the models of their chats."""
    for name in ("llamacpp:" + "a" * 64, "gpu1.ggml:" + "0" * 64):
        assert shown_models.cannot_chat({"id": name, "capabilities": ["completion"], "hosts": [], "details": {}})
    assert not shown_models.cannot_chat({"id": "llamacpp:latest", "capabilities": ["completion"], "hosts": [], "details": {}})


def test_an_answer_without_an_end_is_not_read_to_its_end(monkeypatch):
    """Deleted, a server that sends and sends would fill the memory of its host."""

    class Handler(servers.Quiet):
        def do_GET(self):
            self.send_response(200 if self.path == "/good" else 500)
            self.end_headers()
            self.wfile.write(b'{"detail": "' + b"x" * 100 + b'"}')

    monkeypatch.setattr(api, "LONGEST_ANSWER", 50)
    with servers.serving(Handler) as url:
        with pytest.raises(api.OpenWebUIError, match="more than 50 bytes"):
            api.OpenWebUIApi(url, 10).call("GET", "/good")
        with pytest.raises(api.OpenWebUIError, match="HTTP 500"):
            api.OpenWebUIApi(url, 10).call("GET", "/bad")
