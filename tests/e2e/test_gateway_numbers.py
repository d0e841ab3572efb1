# Copyright: (c) 2026, The llmfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The shipped dashboard and alerts, by Debian's Prometheus against the numbers of the lab's gateway, and of a host by Debian's node exporter.

Deleted, a query could name a number that HAProxy or a host does not have, and a panel would be empty for ever, or an alert never come.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
import time
import urllib.parse

import pytest
import yaml
from fleet import HOSTS, Run, ask, enter, inside
from support import ROOT

pytestmark = pytest.mark.long
HOST, TELLS = "lab-hub", "lab-3060"
FOLDER = "/var/lib/prometheus/node-exporter"
FILES = ROOT / "roles" / "gateway" / "files"
ALERTS = yaml.safe_load((FILES / "alerts.rules").read_text(encoding="utf-8"))
PANELS = json.loads((FILES / "dashboard.json").read_text(encoding="utf-8"))["panels"]
QUERIES = [(panel["title"], target["expr"]) for panel in PANELS for target in panel["targets"]]
# An alert is silent where all is well: what it looks at must be there, so its comparison is left out.
WATCHED = [(rule["alert"], re.split(" (?:==|>|<) ", rule["expr"])[0]) for group in ALERTS["groups"] for rule in group["rules"]]
CONFIGURATION = """
global: {scrape_interval: 1s}
rule_files: [/opt/alerts.rules]
scrape_configs:
  - job_name: llmfleet-gateway
    static_configs: [{targets: ['127.0.0.1:8405']}]
  - job_name: llmfleet-certificate
    metrics_path: /certificate
    static_configs: [{targets: ['127.0.0.1:8405']}]
  - job_name: node
    static_configs: [{targets: ['%s:9100']}]
""" % HOSTS[TELLS]
# Plays the driver's tool for the card that the lab's library plays.
NVIDIA_SMI = """#!/usr/bin/env python3
import json
for card in json.load(open("/etc/llmfleet/ollama-numbers.json"))["cards"]:
    print("%s, 4096" % card["uuid"])
"""
INSTALL = "command -v %s || (apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends %s)"


def query(expression: str) -> list:
    path = "http://127.0.0.1:9099/api/v1/query?" + urllib.parse.urlencode({"query": expression})
    told = json.loads(inside(HOST, "curl -sf '%s'" % path.replace("'", "%27")))
    assert told["status"] == "success", told
    return told["data"]["result"]


@pytest.fixture(scope="module")
def prometheus():
    """On the gateway's host, since its numbers are for its loopback alone."""
    subprocess.run([sys.executable, "lab/lab.py", "up"], cwd=ROOT, check=True)
    for host in HOSTS:
        inside(host, "mkdir -p " + FOLDER)
    inside(TELLS, INSTALL % (("prometheus-node-exporter",) * 2) + "; systemctl start prometheus-node-exporter")
    Run("numbers", "site.yml", "-e", "ollama_textfile_dir=" + FOLDER).assert_good()
    enter(TELLS, "sh", "-c", "cat > /usr/local/bin/nvidia-smi && chmod 0755 /usr/local/bin/nvidia-smi", given=NVIDIA_SMI).check_returncode()
    ask(TELLS, "/api/generate", {"model": "deepseek-r1:14b", "keep_alive": "30m"})
    inside(TELLS, "systemctl start llmfleet-ollama-numbers.service")
    inside(HOST, INSTALL % (("prometheus",) * 2))
    for name, text in (("alerts.rules", (FILES / "alerts.rules").read_text(encoding="utf-8")), ("prometheus.yml", CONFIGURATION)):
        enter(HOST, "sh", "-c", "cat > /opt/%s" % name, given=text).check_returncode()
    inside(HOST, "systemctl disable --now prometheus 2>/dev/null; promtool check rules /opt/alerts.rules")
    inside(
        HOST,
        "systemctl reset-failed numbers 2>/dev/null; systemd-run --unit=numbers prometheus --config.file=/opt/prometheus.yml --storage.tsdb.path=/opt/numbers"
        " --web.listen-address=127.0.0.1:9099",
    )
    try:
        deadline = time.monotonic() + 120
        # A rate needs two looks at what it counts.
        while not _ready():
            assert time.monotonic() < deadline, inside(HOST, "journalctl -u numbers -o cat | tail -20")
            time.sleep(1)
        yield
    finally:
        inside(HOST, "systemctl stop numbers; rm -rf /opt/numbers /opt/prometheus.yml /opt/alerts.rules", check=False)
        inside(TELLS, "rm -f /usr/local/bin/nvidia-smi; systemctl disable --now prometheus-node-exporter", check=False)
        Run("numbers-away", "site.yml").assert_good()


def _ready() -> bool:
    answered = enter(HOST, "curl", "-sf", "http://127.0.0.1:9099/-/ready").returncode == 0
    return answered and bool(query('rate(haproxy_backend_http_requests_total{proxy="hosts"}[5m])')) and bool(query("llmfleet_model_loaded_bytes"))


@pytest.mark.parametrize("title, expression", QUERIES + WATCHED, ids=[title for title, _expression in QUERIES + WATCHED])
def test_each_query_finds_numbers(title, expression, prometheus):
    assert query(expression), expression


def test_every_alert_is_loaded_and_none_comes_where_all_is_well(prometheus):
    told = json.loads(inside(HOST, "curl -sf http://127.0.0.1:9099/api/v1/rules"))
    loaded = {rule["name"]: rule["health"] for group in told["data"]["groups"] for rule in group["rules"]}
    assert set(loaded) == {rule["alert"] for group in ALERTS["groups"] for rule in group["rules"]}
    assert "err" not in loaded.values(), told
