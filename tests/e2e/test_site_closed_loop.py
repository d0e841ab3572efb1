# Copyright: (c) 2026, The llmfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""`site.yml` on a host whose Ollama says where its models lie: on the GPU, partly, and partly again.

The lab has no GPU, so a program stands before the real Ollama of one host and answers /api/ps as a GPU host would. Every question to port 11434
is led to it, also that of the role's own health check; the service, its port and the inventory stay as they are.
The tests build on each other in file order, and leave the lab as test_site.py left it. Deleted, nothing would show that a plan that did not hold
is answered by the playbook as a whole: mirror, service, models, memory and report.
"""

from __future__ import annotations

import json
import subprocess
import sys

import pytest
from fleet import HOSTS, ROOT, Run, ask, enter

HOST, HUB = "lab-3090x2", "lab-hub"
BIG = "deepseek-r1:70b"
FACT = "/etc/ansible/facts.d/llmfleet.fact"
ARGUMENTS = ("--limit", f"{HOST},{HUB}", "--skip-tags", "open_webui")
# The published 70b: its file, and what Ollama says of it at 8192 tokens.
FILE, SIZE, SHORTAGE = 42_520_397_873, 46_800_000_000, 4_300_000_000
FULL = {"file": FILE, "size": SIZE, "size_vram": SIZE}
SPILLED = {"file": FILE, "size": SIZE, "size_vram": SIZE - SHORTAGE}

# 127.0.0.2 is the program's own way to the real server.
REDIRECT = """table inet gpu_proxy {
  chain from_others { type nat hook prerouting priority dstnat; tcp dport 11434 redirect to :11534; }
  chain from_here { type nat hook output priority dstnat; ip daddr != 127.0.0.2 tcp dport 11434 redirect to :11534; }
}
"""


def inside(host: str, *command: str, given: str = "") -> str:
    done = enter(host, *command, given=given)
    assert done.returncode == 0, (command, done.stdout, done.stderr)
    return done.stdout


def write(host: str, path: str, content: str) -> None:
    inside(host, "sh", "-c", 'cat > "$0"', path, given=content)


def models() -> set[str]:
    return {model["name"] for model in ask(HOST, "/api/tags")["models"]}


class GpuHost:
    """The host with the program before its Ollama; `leave` brings everything back."""

    def __init__(self):
        self.fact = inside(HOST, "cat", FACT)
        self.before = models()
        write(HOST, "/run/gpu_proxy.py", (ROOT / "tests/e2e/programs/gpu_proxy.py").read_text(encoding="utf-8"))
        self.says({})
        inside(HOST, "systemd-run", "--collect", "--unit=gpu-proxy", "python3", "/run/gpu_proxy.py", "11534", "127.0.0.2:11434", "/run/gpu_proxy.json")
        inside(HOST, "nft", "-f", "-", given=REDIRECT)
        self.there = True

    @staticmethod
    def says(told: dict) -> None:
        write(HOST, "/run/gpu_proxy.json", json.dumps(told))

    @staticmethod
    def forget() -> None:
        inside(HOST, "rm", FACT)

    @staticmethod
    def proofs() -> dict:
        return {key.partition("@")[0]: proof for key, proof in json.loads(inside(HOST, "cat", FACT))["proofs"].items()}

    def put_aside(self) -> None:
        """The big model gets another name: the next run brings it anew, without a byte over the wire."""
        inside(HOST, "ollama", "cp", BIG, "aside:70b")
        inside(HOST, "ollama", "rm", BIG)

    def leave(self) -> None:
        if not self.there:
            return
        self.there = False
        inside(HOST, "nft", "delete", "table", "inet", "gpu_proxy")
        inside(HOST, "systemctl", "stop", "gpu-proxy.service")
        if BIG not in models():
            inside(HOST, "ollama", "cp", "aside:70b", BIG)
        for name in sorted(models() - self.before):
            inside(HOST, "ollama", "rm", name)
        write(HOST, FACT, self.fact)


@pytest.fixture(scope="module")
def gpu():
    try:
        assert BIG in models()
    except OSError:
        subprocess.run([sys.executable, "lab/lab.py", "up"], cwd=ROOT, check=True)
        Run("loop-before", "site.yml").assert_good()
    # A mirror that an earlier run of this file has filled would hide that the step down fills it.
    wanted = {model["name"].partition(":")[2] for host in HOSTS for model in ask(host, "/api/tags")["models"]}
    for path in inside(HUB, "find", "/srv/model-mirror", "-path", "*/manifests/*/deepseek-r1/*", "-type", "f").splitlines():
        if path.rpartition("/")[2] not in wanted:
            inside(HUB, "rm", path)
    host = GpuHost()
    yield host
    host.leave()


def planned(run: Run) -> tuple[dict, dict]:
    """The model of the host in the report, with what was measured of it."""
    [row] = [row for row in run.fleet["hosts"] if row["name"] == HOST]
    [model] = row["models"]
    return model, model["measured"]


def test_measured_bytes_stand_beside_the_predicted_ones(gpu):
    """Without the comparison nobody learns how good the prediction is on real cards."""
    gpu.says({BIG: FULL})
    gpu.forget()
    run = Run("loop-full", "site.yml", *ARGUMENTS, "-e", "llm_prove_gpu=true").assert_good()
    assert run.recap[HOST]["changed"] == 0, run.text[-4000:]
    model, measured = planned(run)
    assert model["name"] == BIG
    assert (measured["ok"], measured["remembered"], measured["size_bytes"], measured["size_vram_bytes"]) == (True, False, SIZE, SIZE)
    assert measured["predicted_bytes"] > SIZE * 0.97 and abs(measured["error_percent"]) <= 3.0
    page = (run.log.parent / "loop-full" / "fleet.html").read_text(encoding="utf-8")
    assert "GiB predicted, 43.6 GiB measured" in page
    again = Run("loop-full-again", "site.yml", *ARGUMENTS, "-e", "llm_prove_gpu=true").assert_good()
    assert again.changed() == {} and planned(again)[1]["remembered"]


def test_a_model_that_spills_is_answered_by_one_step_down(gpu):
    """The promise of the plan: what does not fit is not left half on the CPU, and the next run does not try it again."""
    gpu.says({BIG: SPILLED})
    gpu.forget()
    run = Run("loop-spilled", "site.yml", *ARGUMENTS, "-e", "llm_prove_gpu=true").assert_good()
    smaller = planned(run)[0]["name"]
    said = " ".join(run.text.split())
    assert f"{BIG}: only 39.6 GiB of 43.6 GiB are on the GPU." in said
    assert f"Stepping down once, to {smaller} at " in said
    assert smaller != BIG and models() == {BIG, smaller}, "a model that was there before the run stays"
    assert run.recap[HUB]["changed"] > 0, "the mirror had not been asked for the smaller one before"
    assert smaller in {model["name"] for model in ask(HOST, "/api/ps")["models"]}
    proofs = gpu.proofs()
    misfit, fit = proofs[BIG], proofs[smaller]
    assert (misfit["ok"], misfit["size_bytes"] - misfit["size_vram_bytes"]) == (False, SHORTAGE)
    assert misfit["ollama_version"] == "0.9.3" and len(misfit["devices"]) == 2 and all("RTX 3090" in card for card in misfit["devices"])
    assert fit["ok"] and fit["size_bytes"] == fit["size_vram_bytes"]

    again = Run("loop-spilled-again", "site.yml", *ARGUMENTS, "-e", "llm_prove_gpu=true").assert_good()
    model, measured = planned(again)
    assert again.changed() == {} and model["name"] == smaller and measured["ok"] and measured["remembered"]
    assert "70b spilled 4.0 GiB to the CPU on this host at 8192 tokens" in model["reason"]
    assert "Stepping down" not in again.text


def test_a_second_spill_in_one_run_fails_and_leaves_the_service_running(gpu):
    """A playbook that went on stepping down would end with a toy and call it success."""
    [smaller] = models() - {BIG}
    gpu.says({BIG: SPILLED, smaller: {"size": 36_000_000_000, "size_vram": 35_000_000_000}})
    gpu.forget()
    gpu.put_aside()
    run = Run("loop-twice", "site.yml", *ARGUMENTS, "-e", "llm_prove_gpu=true")
    assert run.done.returncode != 0 and run.recap[HOST]["failed"] == 1, run.text[-4000:]
    said = " ".join(run.text.split())
    assert f"{smaller}: only 32.6 GiB of 33.5 GiB are on the GPU. The service goes on" in said
    assert "Run site.yml again for the next smaller choice" in said
    assert ask(HOST, "/api/version")["version"] == "0.9.3"
    assert models() == {"aside:70b", smaller}, "what the run itself had brought for nothing is gone"
    assert {name: proof["ok"] for name, proof in gpu.proofs().items()} == {BIG: False, smaller: False}


def test_the_lab_is_as_before(gpu):
    """The tests after this one count on it."""
    gpu.leave()
    after = Run("loop-after", "site.yml", *ARGUMENTS).assert_good()
    # The gateway takes back what it knew of the host; the host itself has lost nothing.
    assert set(after.changed()) <= {HUB} and models() == gpu.before
    assert Run("loop-after-again", "site.yml", *ARGUMENTS).assert_good().changed() == {}
