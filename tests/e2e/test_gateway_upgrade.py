# Copyright: (c) 2026, The llmfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""playbooks/upgrade.yml on a fleet that works: clients ask the lab's gateway all the time for a model that two hosts hold.

Deleted, a host could be taken away under its requests, or come back before it serves, and an upgrade would be seen by everybody who works.
"""

from __future__ import annotations

import concurrent.futures
import json
import ssl
import subprocess
import sys
import threading

import openai
import pytest
from fleet import NEW, OLD, ROOT, Run, versions

pytestmark = pytest.mark.long
MODEL, BOTH = "deepseek-r1:14b", ("lab-3060", "lab-3090x2")
# Instead of each host's own best tag; the host without a card takes no part, and the gateway remembers it.
SHARED = ("--limit", ",".join([*BOTH, "lab-hub"]), "-e", json.dumps({"llm_models": [{"model": MODEL, "context": 8192}]}))
CLIENTS = 3


@pytest.fixture(scope="module")
def shared():
    subprocess.run([sys.executable, "lab/lab.py", "up"], cwd=ROOT, check=True)
    Run("shared", "site.yml", *SHARED).assert_good()
    yield
    Run("own-tags-again", "site.yml").assert_good()


def client():
    """One that asks once: a second try would hide what was lost."""
    told = json.loads((ROOT / ".cache/lab/gateway.json").read_text(encoding="ascii"))
    web = openai.DefaultHttpxClient(verify=ssl.create_default_context(cafile=told["ca"]), trust_env=False)
    return openai.OpenAI(base_url=told["url"] + "/v1", api_key=told["key"], timeout=300, max_retries=0, http_client=web)


def asked_until(stop, begun):
    """(answers, what went wrong) of a client that never pauses."""
    asker, answers, lost = client(), 0, []
    while not stop.is_set():
        try:
            said = asker.chat.completions.create(model=MODEL, messages=[{"role": "user", "content": "What is water made of?"}], max_tokens=4)
            answers += bool(said.choices)
        except openai.OpenAIError as problem:
            lost.append(repr(problem))
        begun.release()
    return answers, lost


@pytest.mark.parametrize("release", [OLD, NEW])
def test_an_upgrade_under_a_constant_load_loses_no_request(release, shared):
    """There and back, so that each of the two hosts is out twice while the other one serves."""
    stop, begun = threading.Event(), threading.Semaphore(0)
    with concurrent.futures.ThreadPoolExecutor(CLIENTS) as pool:
        clients = [pool.submit(asked_until, stop, begun) for _one in range(CLIENTS)]
        try:
            for _one in range(CLIENTS):
                assert begun.acquire(timeout=300), "no client has heard anything"
            run = Run("upgrade-under-load-" + release, "playbooks/upgrade.yml", "--tags", "ollama", "-e", "ollama_version=" + release, *SHARED)
        finally:
            stop.set()
        told = [one.result() for one in clients]
    run.assert_good()
    assert {host: versions()[host] for host in BOTH} == dict.fromkeys(BOTH, release)
    assert [lost for _answers, lost in told] == [[]] * CLIENTS
    assert all(answers for answers, _lost in told)
