# Copyright: (c) 2026, The llmfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""`site.yml` on the lab, as a user runs it: systemd hosts over SSH, a real Ollama, real pulls; cards and model weights are stand-ins.

The tests build on each other in file order, like a working day: first deployment, second run, questions, a reboot, a dead host, wishes that
cannot come true, an upgrade that fails on one host, a host that is taken away and comes back.
Deleted, nothing would show that the parts work together.
"""

from __future__ import annotations

import json
import re
import signal
import ssl
import subprocess
import sys
import time

import openai
import pytest
from ansible_collections.llmfleet.ollama.plugins.module_utils.model_header.gguf import STEP
from fleet import HOSTS, NEW, OLD, OUTPUT, ROOT, Run, ask, inside, sent_to, traffic, versions

sys.path.insert(0, str(ROOT / "tests/faults"))

import lab_machines as machines  # noqa: E402
from controller import Controller  # noqa: E402

# The family's tag for 8 GiB of memory, and the model with real weights beside it.
CPU_MODELS = {"deepseek-r1:1.5b", "smollm2:135m"}


@pytest.fixture(scope="module")
def lab():
    # From nothing: a host that an earlier run left would make the first deployment look easy.
    for command in ("down", "up"):
        subprocess.run([sys.executable, "lab/lab.py", command], cwd=ROOT, check=True)


@pytest.fixture(scope="module")
def first(lab):
    return Run("first", "site.yml")


def test_check_mode_before_anything_is_there(lab):
    """People look before they leap: the first --check must go through to the end, and leave machines as bare as it found them."""
    foreseen = Run("foreseen", "site.yml", "--check").assert_good()
    assert set(foreseen.changed()) == {*HOSTS, "lab-hub"}
    for host in HOSTS:
        assert inside(host, "ls /opt/ollama /etc/systemd/system/ollama.service 2>/dev/null | wc -l").strip() == "0", host


def test_first_run(first):
    """The mission: one command, every host ends with a service and models."""
    first.assert_good()
    assert set(HOSTS) | {"lab-hub"} <= set(first.recap)
    assert not any(counts["failed"] or counts["unreachable"] for counts in first.recap.values())
    assert first.text.rstrip().splitlines()[-1].startswith("Open http://172.30.77.10:3000 as admin@lab.example"), "the last line says where to go"


def test_cards_decide_the_tags(first):
    """Sizing would not be driven by the inventory if two hosts with the same variables got the same tag."""
    models = {host: [model["name"] for model in ask(host, "/api/tags")["models"]] for host in HOSTS}
    assert models["lab-3060"] == ["deepseek-r1:14b"]
    assert models["lab-3090x2"] == ["deepseek-r1:70b"]
    assert set(models["lab-cpu"]) == CPU_MODELS


def through_gateway():
    """OpenAI's own client, as .cache/lab/gateway.json tells programs to make one."""
    told = json.loads((ROOT / ".cache/lab/gateway.json").read_text(encoding="ascii"))
    trust = ssl.create_default_context(cafile=told["ca"])
    web = openai.DefaultHttpxClient(verify=trust, trust_env=False)
    return openai.OpenAI(base_url=told["url"] + "/v1", api_key=told["key"], timeout=120, max_retries=0, http_client=web)


def test_one_address_answers_for_all_hosts(first):
    """The fleet is one endpoint with a key and TLS; without this a client would have to know which host has which model."""
    client = through_gateway()
    assert {model.id for model in client.models.list()} == {"deepseek-r1:14b", "deepseek-r1:70b", *CPU_MODELS}
    for model in ("deepseek-r1:70b", "smollm2:135m"):
        said = client.chat.completions.create(model=model, messages=[{"role": "user", "content": "What is water made of?"}], max_tokens=16)
        assert said.choices[0].message.content
    with pytest.raises(openai.AuthenticationError):
        client.with_options(api_key="of nobody").models.list()
    assert "https://172.30.77.10:8443" in first.text[first.text.index("PLAY RECAP"):]


def test_report_says_what_runs_where_and_why(first):
    """The table is what a person looks at after a run; it must name host, tag, context and reason."""
    table = first.text[first.text.index("PLAY RECAP"):]
    for word in (*HOSTS, "deepseek-r1:14b", "deepseek-r1:70b", "8192", "RTX 3060", "RTX 3090"):
        assert word in table, word
    assert first.fleet is not None


def test_upstream_sent_each_model_once(first):
    """A fleet that pulls over the WAN for each host wastes hours."""
    counted = traffic()
    assert set(counted["models"]) == {"deepseek-r1:14b", "deepseek-r1:70b", *CPU_MODELS}
    for model, row in counted["models"].items():
        # The one that no catalogue has was sized from its head before: one range of it, which the hub was asked to fetch, if this machine
        # did not know it from an earlier run.
        heads = (0, STEP) if model == "smollm2:135m" else (0,)
        assert row["clients"] == ["172.30.77.10"] and row["sent_bytes"] - row["size_bytes"] in heads, (model, row)


def test_upstream_sent_the_release_once(first):
    """An archive has 1.4 GB today: three hosts and a mirror that each fetch it cost more than the models of this fleet."""
    archives = {uri: row for uri, row in traffic()["releases"].items() if not uri.endswith(".txt")}
    assert {uri: (row["clients"], row["times"]) for uri, row in archives.items()} == {
        f"/v{NEW}/ollama-linux-amd64.tgz": (["172.30.77.10"], 1.0)
    }


def test_verify(first):
    """A service that is up but cannot chat would pass every other check."""
    done = Run("verify", "playbooks/verify.yml").assert_good()
    assert not done.changed()
    assert re.search(r"Ask the gateway as its clients do\] \*+\nok: \[lab-hub\]", done.text), done.text[-3000:]
    heard = {(row["name"], model["name"]): model["chat"] for row in done.fleet["hosts"] for model in row["models"]}
    assert {host for host, _model in heard} == set(HOSTS)
    said = " ".join(done.text.split())
    for (_host, model), chat in heard.items():
        # The real model knows it, the others say what they are.
        words = "hydrogen" if model == "smollm2:135m" else "This is the stand-in for deepseek-r1"
        assert words in chat["answer"] and chat["answer"][:40] in said
        assert chat["first_token_seconds"] > 0 and chat["tokens_per_second"] > 0 and chat["speed_source"] == "ollama"


def test_the_real_models_memory_is_as_predicted(first):
    """Beside stand-ins, whose headers are tiny, this is the one place where a header that came through the mirror is held against a loaded model."""
    [row] = [row for row in first.fleet["hosts"] if row["name"] == "lab-cpu"]
    [model] = [model for model in row["models"] if model["name"] == "smollm2:135m"]
    assert model["source"] == "header" and not model["measured"]["stand_in"]
    assert abs(model["measured"]["error_percent"]) <= 3.0, model["measured"]


def test_second_run_changes_nothing(first):
    """A role that always changes something restarts services and hides real changes."""
    second = Run("second", "site.yml").assert_good()
    assert second.changed() == {}


def test_check_and_diff_are_quiet_on_a_converged_fleet(first):
    """People run --check --diff to see drift; noise there makes it useless."""
    quiet = Run("check", "site.yml", "--check", "--diff").assert_good()
    assert quiet.changed() == {}
    assert not re.search(r"^(---|\+\+\+) (before|after)", quiet.text, re.MULTILINE)


def test_plan_changes_nothing_and_explains(first):
    plan = Run("plan", "playbooks/plan.yml").assert_good()
    assert plan.changed() == {}
    for word in ("deepseek-r1:14b", "deepseek-r1:70b", "RTX 3060", "GiB"):
        assert word in plan.text, word


def test_reboot(first):
    """A service that does not come back by itself is not installed."""
    subprocess.run(["docker", "restart", "--time", "20", "lab-3060"], check=True, capture_output=True)
    deadline = time.monotonic() + 60
    while True:
        try:
            version = ask("lab-3060", "/api/version")["version"]
            break
        except OSError:
            assert time.monotonic() < deadline, "lab-3060 does not serve after a reboot"
            time.sleep(1)
    assert version == "0.9.3"
    assert [model["name"] for model in ask("lab-3060", "/api/tags")["models"]] == ["deepseek-r1:14b"]


def test_a_dead_host_does_not_stop_the_others(first):
    """One machine that is off must not keep a fleet from being configured, and the report must say which one."""
    subprocess.run(["docker", "stop", "--time", "5", "lab-cpu"], check=True, capture_output=True)
    try:
        run = Run("dead", "site.yml", "-e", "ansible_ssh_timeout=5")
        assert run.recap["lab-cpu"]["unreachable"] == 1
        assert not any(counts["failed"] for counts in run.recap.values()), run.text[-4000:]
        brought = run.text.split("TASK [Bring the models and prove them]")[1].split("\nTASK [")[0]
        assert all(f"ok: [{host}]" in brought for host in ("lab-3060", "lab-3090x2")), brought
        assert run.recap["lab-3060"]["changed"] == 0
    finally:
        subprocess.run(["docker", "start", "lab-cpu"], check=True, capture_output=True)


def test_a_host_that_comes_back_is_taken_in_again(first):
    """Its route at the gateway stayed while it was off, so there is nothing to write anew; it would be one more reload, and one more gap, if there were."""
    deadline = time.monotonic() + 60
    while True:
        try:
            ask("lab-cpu", "/api/version")
            break
        except OSError:
            assert time.monotonic() < deadline, "lab-cpu does not serve after it was switched on again"
            time.sleep(1)
    back = Run("back", "site.yml").assert_good()
    assert back.changed() == {}
    assert through_gateway().chat.completions.create(
        model="smollm2:135m", messages=[{"role": "user", "content": "What is water made of?"}], max_tokens=8
    ).choices


BAD_INPUT = {
    "unknown family": ({"llm_models": [{"family": "deepsek-r1"}]}, ("llm_models", "deepsek-r1", "deepseek-r1")),
    "impossible tag": ({"llm_models": [{"model": "deepseek-r1:14 b"}]}, ("llm_models", "14 b")),
    "context beyond training": ({"llm_models": [{"family": "deepseek-r1", "min_context": 1000000}]}, ("llm_models[0].min_context", "163840")),
    "nothing fits": ({"llm_models": [{"model": "deepseek-r1:671b"}]}, ("deepseek-r1:671b", "short")),
    "two wants, one card": (
        {
            "llm_models": [{"model": "deepseek-r1:14b", "context": 8192}, {"model": "deepseek-r1:8b", "context": 8192}],
            "llm_policy": {"allow_partial_offload": False},
        },
        ("llm_models", "together"),
    ),
    "no door": ({"ollama_firewall": "none"}, ("ollama_firewall", "ollama_accept_open_port")),
    # A word, as -e name=false gives it.
    "below the floor": ({"ollama_accept_vulnerable_version": "false"}, ("ollama_version", "0.23.3", "ollama_accept_vulnerable_version")),
    "dead mirror": ({"llm_registry": "http://172.30.77.99"}, ("llm_registry", "172.30.77.99")),
    "wrong checksum": (
        {"ollama_version": OLD, "ollama_download_checksum": "sha256:" + "0" * 64},
        ("ollama_version", "ollama_download_checksum", "did not match", "Nothing was changed; 0.9.3 goes on"),
    ),
    "no such release": ({"ollama_version": "0.9.99"}, ("ollama_version", "ollama_download_base_url", "404", "Nothing was changed")),
    "port taken": ({"ollama_port": 11500}, ("Port 11500 (ollama_port) is taken by", "python3", "choose another port")),
    "unsupported architecture": ({"ansible_python_interpreter": "/usr/local/bin/python-on-i686"}, ("architecture i686", "group ollama")),
    "unsupported system": ({"ansible_python_interpreter": "/usr/local/bin/python-without-systemd"}, ("needs systemd", "openrc")),
}


# Machines that no lab has: Python, and with it Ansible, sees another processor, or another program as process 1.
OTHER_MACHINES = {
    "python-on-i686": 'exec setarch i686 /usr/bin/python3 "$@"',
    "python-without-systemd": "echo openrc-init > /run/comm; exec unshare -m sh -c "
    """'mount --bind /run/comm /proc/1/comm; mount -t tmpfs none /run/systemd; exec /usr/bin/python3 "$@"' sh "$@\"""",
}


@pytest.fixture(scope="module")
def odd_host(first):
    """lab-3060 with a port that another server has, and with interpreters that see another machine."""
    for name, line in OTHER_MACHINES.items():
        inside("lab-3060", f"cat > /usr/local/bin/{name} <<'END'\n#!/bin/sh\n{line}\nEND\nchmod 0755 /usr/local/bin/{name}")
    inside("lab-3060", "systemd-run --unit other-server python3 -m http.server 11500")
    yield
    inside("lab-3060", f"systemctl stop other-server; rm {' '.join('/usr/local/bin/' + name for name in OTHER_MACHINES)}")


@pytest.mark.parametrize("case", BAD_INPUT)
def test_bad_input_stops_before_the_first_change(case, odd_host):
    """Each fault must be told before anything is touched, with the variable that holds it."""
    variables, words = BAD_INPUT[case]
    run = Run("bad-" + case.replace(" ", "-").replace(",", ""), "site.yml", "--limit", "lab-3060", "-e", json.dumps(variables))
    assert run.done.returncode != 0, run.text[-3000:]
    assert run.changed() == {}, run.text[-3000:]
    for word in words:
        assert word in run.text, "%r is not in:\n%s" % (word, run.text[-3000:])


def test_a_failing_host_stops_a_rolling_upgrade(first):
    """Without the stop, a release that does not work on this fleet would take down one host after the other."""
    archive = f"/v{OLD}/ollama-linux-amd64.tgz"
    before = traffic()["releases"].get(archive, {"times": 0})
    # A release that is there and whole by its own mark, and dies at once.
    release = f"/opt/ollama/{OLD}"
    inside(
        "lab-3090x2",
        f"mkdir -p {release}/bin && cp /opt/ollama/{NEW}/archives {release}/archives"
        f" && printf '#!/bin/sh\\necho panic: this release is broken >&2; exit 1\\n' > {release}/bin/ollama && chmod 0755 {release}/bin/ollama",
    )
    failed = Run("upgrade-fails", "playbooks/upgrade.yml", "-e", f"ollama_version={OLD}", "-e", "ollama_wait_seconds=20", "--tags", "ollama")
    assert failed.done.returncode != 0
    assert versions() == {"lab-3060": OLD, "lab-3090x2": NEW, "lab-cpu": NEW}
    assert "panic: this release is broken" in failed.text and f"{NEW} is back and serves at" in failed.text, failed.text[-4000:]
    assert failed.recap["lab-cpu"]["changed"] == 0
    # The host that went on with the old release still has its models, and so has the one that was upgraded.
    assert [model["name"] for model in ask("lab-3090x2", "/api/tags")["models"]] == ["deepseek-r1:70b"]
    assert [model["name"] for model in ask("lab-3060", "/api/tags")["models"]] == ["deepseek-r1:14b"]
    # The bad checksum above cost a download, too.
    after = traffic()["releases"][archive]
    assert round(after["times"] - before["times"], 3) == 1.0 and "172.30.77.10" in after["clients"]


def test_a_power_cut_at_the_proof_of_an_upgrade(first):
    """The new release is linked, started and not proved when the host goes dark. `make faults` cuts at random moments; what the next run makes
    of it is asked by the test below."""
    cut = Controller(
        OUTPUT / "power-cut.log", "-i", "inventories/lab", "playbooks/upgrade.yml", "-e", f"ollama_version={NEW}", "--tags", "ollama", "--limit", "lab-3060",
        stop_at="Wait until the server answers with its version",
    )  # fmt: skip
    assert cut.held(), cut.text[-4000:]
    machines.power_off("lab-3060")
    cut.send(signal.SIGKILL)
    cut.code()
    machines.power_on("lab-3060")
    assert inside("lab-3060", "readlink /opt/ollama/current; ls -d /opt/ollama/.before").split() == [NEW, "/opt/ollama/.before"]


def test_upgrade_takes_only_the_hosts_that_need_it(first):
    """An upgrade that is run again after a failure must finish the rest and leave alone what is done, also where it was cut off."""
    inside("lab-3090x2", f"rm -rf /opt/ollama/{OLD}")
    sent = traffic()["releases"][f"/v{NEW}/ollama-linux-amd64.tgz"]["sent_bytes"]
    upgrade = Run("upgrade", "playbooks/upgrade.yml", "-e", f"ollama_version={NEW}", "--tags", "ollama").assert_good()
    assert versions() == dict.fromkeys(HOSTS, NEW)
    assert set(upgrade.changed()) <= {"lab-3060", "lab-hub"}
    assert upgrade.changed()["lab-3060"] > 0
    assert traffic()["releases"][f"/v{NEW}/ollama-linux-amd64.tgz"]["sent_bytes"] == sent, "the kept release was downloaded again"
    assert [model["name"] for model in ask("lab-3060", "/api/tags")["models"]] == ["deepseek-r1:14b"]
    assert set(inside("lab-3060", "ls -A /opt/ollama").split()) == {NEW, OLD, "current", "previous"}


LEFT = """
ls -d /opt/ollama /usr/local/bin/ollama /etc/llmfleet /etc/profile.d/ollama.sh /etc/systemd/system/*ollama* /etc/systemd/system/*/*ollama* \
  /etc/systemd/system/nftables.service.d 2>/dev/null
nft list table inet llmfleet_ollama 2>/dev/null
pgrep -a ollama
"""
DATA = "ls -A /srv/models; ls -d /usr/share/ollama /etc/ansible/facts.d/llmfleet.fact 2>/dev/null; getent passwd ollama; getent group ollama"


def test_uninstall_keeps_the_models_and_purge_keeps_nothing(first):
    """Too little left costs a download of gigabytes, too much is what people find years later."""
    for host in ("lab-3060", "lab-cpu"):
        Run(f"uninstall-{host}", "playbooks/uninstall.yml", "--limit", host, *(["-e", "purge=true"] if host == "lab-cpu" else [])).assert_good()
        assert inside(host, LEFT, check=False) == ""
    kept = inside("lab-3060", DATA, check=False).split()
    assert {"blobs", "manifests", "/usr/share/ollama"} <= set(kept), kept
    assert inside("lab-cpu", DATA, check=False) == ""
    assert ask("lab-3090x2", "/api/version")["version"] == NEW


def test_site_brings_a_host_back_with_the_models_that_it_kept(first):
    """The way back from an uninstall is the same command, and it must not fetch what is there."""
    before = {host: sent_to(host) for host in ("lab-3060", "lab-cpu")}
    upstream = traffic()
    back = Run("reinstalled", "site.yml").assert_good()
    assert versions() == dict.fromkeys(HOSTS, NEW)
    assert [model["name"] for model in ask("lab-3060", "/api/tags")["models"]] == ["deepseek-r1:14b"]
    assert {model["name"] for model in ask("lab-cpu", "/api/tags")["models"]} == CPU_MODELS
    assert sent_to("lab-3060") == before["lab-3060"] and sent_to("lab-cpu") > before["lab-cpu"]
    assert {uri: row["sent_bytes"] for uri, row in traffic()["releases"].items()} == {uri: row["sent_bytes"] for uri, row in upstream["releases"].items()}
    assert {name: row["sent_bytes"] for name, row in traffic()["models"].items()} == {name: row["sent_bytes"] for name, row in upstream["models"].items()}
    assert "lab-3090x2" not in back.changed()
