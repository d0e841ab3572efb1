# Copyright: (c) 2026, The llmfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The two places where runs are cut: the lab's three Ollama hosts, and a machine of our own with a mirror and a web UI."""

from __future__ import annotations

import json
import secrets
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from pathlib import Path

import fleet
import lab_machines as machines
import yaml
from controller import Controller
from dealing import Cut, Ledger, Timeline
from stranger import Stranger
from support import ROOT

OUTPUT = ROOT / "tests" / "output" / "faults"
# How long a host is without power or network, in seconds.
AWAY = 4.0
NETWORK_AWAY = 45.0


def cut_off(run: Controller, timeline: Timeline, cut: Cut, host: str, local: threading.Lock) -> bool:
    """Does it to the run, or to the host below it, and waits until both are quiet. False: the run was over before."""
    if not run.wait_until(timeline.moment(cut.where)):
        run.code()
        return False
    if cut.kind in ("SIGKILL", "SIGINT"):
        run.send(9 if cut.kind == "SIGKILL" else 2)
    elif cut.kind == "power":
        machines.power_off(host)
        time.sleep(AWAY)
        machines.power_on(host)
    else:
        with local:
            machines.cable(host, "down")
        try:
            deadline = time.monotonic() + NETWORK_AWAY
            while run.running() and time.monotonic() < deadline:
                time.sleep(0.2)
        finally:
            with local:
                machines.cable(host, "up")
    # A run of which only the host is gone ends by itself.
    run.code(240)
    return True


class Place:
    """One lane of cuts, beside the other."""

    deadline = float("inf")

    def __init__(self, ledger: Ledger, stranger: Stranger, timelines: dict[str, Timeline]) -> None:
        self.ledger, self.stranger, self.timelines = ledger, stranger, timelines
        self.number, self.lock = 0, threading.Lock()

    def play(self, name: str, *words: str) -> Controller:
        self.number += 1
        return Controller(OUTPUT / f"{type(self).__name__.lower()}-{self.number:03d}-{name.replace(' ', '-')}.log", *words)

    def must(self, name: str, *words: str) -> Controller:
        run = self.play(name, *words)
        code = run.code()
        assert code == 0, f"{name} ended with {code} where nothing was cut ({run.log}):\n{run.tail()}"
        return run

    def again(self, name: str, words: list[str], hosts: list[str]) -> dict[str, list[str]]:
        """The run after the cut and the one after that: what is to be said of each host."""
        reasons: dict[str, list[str]] = {host: [] for host in hosts}
        run = self.play(f"{name}-again", *words)
        code, recap = run.code(), run.recap()
        for host in hosts:
            row = recap.get(host, {"failed": 1, "unreachable": 0})
            if row["failed"] or row["unreachable"] or host not in recap:
                reasons[host].append(f"the next run did not go through ({run.log.name})")
        if code and not any(reasons.values()):
            for host in hosts:
                reasons[host].append(f"the next run ended with {code} ({run.log.name})")
        if any(reasons.values()):
            # So that what follows begins from something; it does not count.
            self.play(f"{name}-once-more", *words).code()
        run = self.play(f"{name}-unchanged", *words)
        code, changed = run.code(), run.changed()
        for host in hosts:
            if changed.get(host):
                reasons[host].append(f"the run after that says changed={changed[host]} ({run.log.name})")
            elif code:
                reasons[host].append(f"the run after that ended with {code} ({run.log.name})")
        return reasons

    # What a later call needs to go on with the same machines.
    STATE: tuple[str, ...] = ()

    def state(self) -> dict:
        return {name: getattr(self, name) for name in self.STATE}

    def go_on(self, state: dict) -> None:
        for name in self.STATE:
            setattr(self, name, state[name])

    def away(self) -> None:
        """What is its own, at the end."""

    def judge(self, cut: Cut, host: str, since: float, reasons: list[str], log: Path) -> None:
        answers = self.stranger.answers(host, since)
        if answers:
            span = answers[-1]["at"] - answers[0]["at"]
            ports = sorted({row["port"] for row in answers})
            reasons = [*reasons, f"a stranger got {len(answers)} answers on {ports} within {span:.2f} s"]
        self.ledger.judged(cut, reasons, f"{host} ({log.name})")
        print(f"{time.strftime('%T')} {cut.command}, {cut.kind} at {cut.where:.2f}, {host}: {'; '.join(reasons) or 'held'}", flush=True)


def ask(url: str, body: dict | None = None, token: str = "", patience: float = 180) -> dict:
    """A server of a host that has just booted may take its time."""
    request = urllib.request.Request(url, None if body is None else json.dumps(body).encode(), {"Content-Type": "application/json"})
    if token:
        request.add_header("Authorization", f"Bearer {token}")
    deadline = time.monotonic() + patience
    while True:
        try:
            with urllib.request.urlopen(request, timeout=30) as response:
                return json.load(response)
        except urllib.error.HTTPError:
            raise
        except OSError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.5)


class Hosts(Place):
    """site.yml brings them up, upgrade.yml moves them to the other release, uninstall.yml takes Ollama away: three cuts at once, a controller for each."""

    COMMANDS = ("site", "upgrade", "uninstall")
    STATE = ("models",)
    TARGETS = [(name, address, 11434, "port") for name, address in fleet.HOSTS.items()]
    # A drained gateway and a planned model are the whole fleet's; the cut concerns one host.
    WORDS = {
        "site": ["site.yml", "--tags", "ollama,models"],
        "upgrade": ["playbooks/upgrade.yml", "-e", f"ollama_version={fleet.OLD}", "-e", "upgrade_serial=100%", "--tags", "ollama"],
        "uninstall": ["playbooks/uninstall.yml"],
    }

    def words(self, command: str, hosts: list[str]) -> list[str]:
        return ["-i", "inventories/lab", *self.WORDS[command], "--limit", ",".join(hosts)]

    def prepare(self) -> None:
        """The fleet as `make demo` has it, both releases on the hub, and every command once as a whole, which is its window."""
        subprocess.run([sys.executable, "lab/lab.py", "up"], cwd=ROOT, check=True)
        self.must("whole-site", "-i", "inventories/lab", "site.yml")
        self.models = {host: self.held(host) for host in fleet.HOSTS}
        self.must("both-releases", "-i", "inventories/lab", "playbooks/upgrade.yml", "-e", f"ollama_version={fleet.OLD}", "--tags", "ollama")
        self.must("uninstall", *self.words("uninstall", list(fleet.HOSTS)))
        for command in self.COMMANDS:
            runs = [self.play(f"{command}-measured-{host}", *self.words(command, [host])) for host in fleet.HOSTS]
            codes = [run.code() for run in runs]
            assert codes == [0, 0, 0], f"{command} was to be measured and ended with {codes}: {[str(run.log) for run in runs]}"
            self.timelines[command] = max((run.timeline for run in runs), key=lambda line: line.over)

    def go_on(self, state: dict) -> None:
        super().go_on(state)
        self.must("uninstall", *self.words("uninstall", list(fleet.HOSTS)))

    @staticmethod
    def held(host: str) -> dict[str, str]:
        return {model["name"]: model["digest"] for model in ask(f"http://{fleet.HOSTS[host]}:11434/api/tags")["models"]}

    def round(self, command: str, cuts: list[Cut]) -> list[Cut]:
        """A cut on each host; returns those that came too late."""
        late, done, since = [], [], time.time()

        def one(cut: Cut, host: str) -> None:
            run = self.play(f"{command}-{cut.kind}-{host}", *self.words(command, [host]))
            (done if cut_off(run, self.timelines[command], cut, host, self.lock) else late).append((cut, host, run.log))

        threads = [threading.Thread(target=one, args=pair) for pair in zip(cuts, fleet.HOSTS, strict=False)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        # Hosts without a cut go the same way, so that the next round finds all of them in one state.
        reasons = self.again(command, self.words(command, list(fleet.HOSTS)), list(fleet.HOSTS))
        for cut, host, log in done:
            if command != "uninstall":
                reasons[host] += self.serves(host, fleet.OLD if command == "upgrade" else fleet.NEW)
            self.judge(cut, host, since, reasons[host], log)
        for cut, _host, _log in late:
            self.ledger.late(cut)
        return [cut for cut, _host, _log in late]

    def serves(self, host: str, version: str) -> list[str]:
        try:
            answered = ask(f"http://{fleet.HOSTS[host]}:11434/api/version")["version"]
            held = self.held(host)
        except OSError as error:
            return [f"/api/version does not answer: {error}"]
        lost = {name: digest for name, digest in self.models[host].items() if held.get(name) != digest}
        return [*([f"{answered} answers, not {version}"] if answered != version else []), *([f"lost {sorted(lost)}"] if lost else [])]

    def run(self, cuts: list[Cut]) -> None:
        """Late cuts are made again, earlier in their window."""
        waiting = {command: [cut for cut in cuts if cut.command == command] for command in self.COMMANDS}
        while any(waiting.values()):
            for command in self.COMMANDS:
                if time.monotonic() > self.deadline:
                    return
                now, waiting[command] = waiting[command][: len(fleet.HOSTS)], waiting[command][len(fleet.HOSTS):]
                if not now:
                    self.must(command, *self.words(command, list(fleet.HOSTS)))
                    continue
                late = self.round(command, now)
                waiting[command] += [Cut(cut.command, cut.kind, cut.where * 0.9) for cut in late]


class Hub(Place):
    """A mirror that is filled from nothing, and a web UI with an account and a chat that goes from 0.12.0 to 0.12.4."""

    COMMANDS = ("mirror fill", "web UI upgrade")
    STATE = ("inventory", "admin", "reader", "chat")
    NAME, VOLUME, ADDRESS = "lab-cut-hub", "lab-cut-hub-docker", "172.30.77.96"
    TARGETS = [(NAME, ADDRESS, 3000, "port"), (NAME, ADDRESS, 11435, "port"), (NAME, ADDRESS, 80, "page")]
    URL = f"http://{ADDRESS}:3000"
    OLD, NEW = "0.12.0", "0.12.4"
    ARCHIVE = "/root/archive.tar.gz"
    MODELS = ("smollm2:135m", "deepseek-r1:1.5b", "deepseek-r1:14b", "qwen3:8b")

    def words(self, command: str) -> list[str]:
        if command == "mirror fill":
            return ["-i", self.inventory, "site.yml", "--tags", "model_mirror"]
        return ["-i", self.inventory, "playbooks/upgrade.yml", "--tags", "open_webui", "-e", f"open_webui_version={self.NEW}"]

    def prepare(self) -> None:
        # pylint: disable=import-outside-toplevel
        import docker  # noqa: PLC0415
        from llmfleet_lab import hosts, images  # noqa: PLC0415
        from llmfleet_lab.common import LABEL  # noqa: PLC0415

        client = docker.from_env(timeout=300)
        self.away()
        client.volumes.create(self.VOLUME, labels={LABEL: "volume"})
        host = hosts.Host(self.NAME, self.ADDRESS, images.HUB_IMAGE, 16, "mirror and web UI that are cut", (hosts.Volume(self.VOLUME, "/var/lib/docker"),))
        box = hosts.start_one(client, host)
        OUTPUT.mkdir(parents=True, exist_ok=True)
        (OUTPUT / "known_hosts").write_text(f"{self.ADDRESS} {hosts.host_key(box)}\n", encoding="ascii")
        fleet.inside(self.NAME, "docker load --quiet --input /srv/lab-images/images.tar")
        self.inventory = str(OUTPUT / "hub.yml")
        Path(self.inventory).write_text(yaml.safe_dump(self.described()), encoding="utf-8")
        program = (ROOT / "molecule/open_webui/files/fake_ollama.py").read_text(encoding="utf-8")
        assert fleet.enter(self.NAME, "sh", "-c", "cat > /opt/fake_ollama.py", given=program).returncode == 0
        unit = "[Service]\nExecStart=/usr/bin/python3 /opt/fake_ollama.py 11501 deepseek-r1:14b\n[Install]\nWantedBy=multi-user.target\n"
        assert fleet.enter(self.NAME, "sh", "-c", "cat > /etc/systemd/system/server.service; systemctl enable --now server", given=unit).returncode == 0
        self.must("old web UI", "-i", self.inventory, "site.yml", "--tags", "open_webui")
        self.remember()
        self.must("backup", "-i", self.inventory, "playbooks/backup.yml")
        # Where no upgrade's own archives push it out.
        fleet.inside(self.NAME, f"cp $(ls -t /var/backups/open-webui/*manual*.tar.gz | head -1) {self.ARCHIVE}")
        for command in self.COMMANDS:
            self.timelines[command] = self.must(f"{command}-measured", *self.words(command)).timeline

    def described(self) -> dict:
        self.admin = ("admin@lab.example", secrets.token_hex(12))
        return {"all": {
            "children": {"model_mirror": {"hosts": {self.NAME: {}}}, "open_webui": {"hosts": {self.NAME: {}}}},
            "vars": {
                "ansible_host": self.ADDRESS, "ansible_user": "ansible", "ansible_become": True,
                "ansible_ssh_private_key_file": str(ROOT / ".cache/lab/ssh/id_ed25519"),
                "ansible_ssh_common_args": f"-o IdentitiesOnly=yes -o StrictHostKeyChecking=yes -o UserKnownHostsFile={OUTPUT / 'known_hosts'}",
                "ollama_version": fleet.NEW, "ollama_accept_vulnerable_version": True, "ollama_accept_plain_http": True,
                "ollama_download_base_url": "http://releases.lab",
                "model_mirror_models": list(self.MODELS), "model_mirror_upstream": "http://registry.lab",
                "model_mirror_allowed_cidrs": ["172.30.77.1/32"],
                "open_webui_version": self.OLD, "open_webui_accept_vulnerable_version": True,
                "open_webui_admin_email": self.admin[0], "open_webui_admin_password": self.admin[1],
                "open_webui_allowed_cidrs": ["172.30.77.1/32"], "open_webui_backends": [{"url": f"http://{self.ADDRESS}:11501"}],
            },
        }}  # fmt: skip

    def remember(self) -> None:
        """An account, and a chat of it."""
        admin = ask(f"{self.URL}/api/v1/auths/signin", {"email": self.admin[0], "password": self.admin[1]})["token"]
        self.reader = ("reader@lab.example", secrets.token_hex(12))
        ask(f"{self.URL}/api/v1/auths/add", {"name": "Reader", "email": self.reader[0], "password": self.reader[1], "role": "user"}, admin)
        chat = {"chat": {"title": "Kept through every cut", "messages": [], "history": {"messages": {}, "currentId": None}}}
        self.chat = ask(f"{self.URL}/api/v1/chats/new", chat, self.token())["id"]

    def token(self) -> str:
        return ask(f"{self.URL}/api/v1/auths/signin", {"email": self.reader[0], "password": self.reader[1]})["token"]

    def begin(self, command: str) -> None:
        """What the command starts from."""
        if command == "mirror fill":
            self.must("empty", "-i", self.inventory, "playbooks/uninstall.yml", "--tags", "model_mirror", "-e", "purge=true")
        else:
            self.must("restore", "-i", self.inventory, "playbooks/restore.yml", "-e", f"open_webui_restore_archive={self.ARCHIVE}")

    def lost(self, command: str) -> list[str]:
        try:
            if command == "mirror fill":
                missing = [name for name in self.MODELS if not self.served(name)]
                active = fleet.inside(self.NAME, "systemctl is-active model-mirror-fill || true").strip()
                return [*([f"the mirror does not serve {missing}"] if missing else []), *(["the filling Ollama still runs"] if active == "active" else [])]
            version = ask(f"{self.URL}/api/version")["version"]
            title = ask(f"{self.URL}/api/v1/chats/{self.chat}", token=self.token())["title"]
            aside = [name for name in fleet.inside(self.NAME, "docker ps --all --format '{{.Names}}'").split() if name != "open-webui"]
            return [*([f"{version} answers, not {self.NEW}"] if version != self.NEW else []), *([f"the chat is {title!r}"] if "Kept" not in title else []),
                    *([f"containers are left: {aside}"] if aside else [])]  # fmt: skip
        except (OSError, KeyError) as error:
            return [f"it does not answer: {error!r}"]

    def served(self, model: str) -> bool:
        name, tag = model.split(":")
        try:
            with urllib.request.urlopen(f"http://{self.ADDRESS}/v2/library/{name}/manifests/{tag}", timeout=30) as response:
                return response.status == 200
        except urllib.error.HTTPError:
            return False

    def run(self, cuts: list[Cut]) -> None:
        waiting = list(cuts)
        while waiting and time.monotonic() < self.deadline:
            cut = waiting.pop(0)
            self.begin(cut.command)
            since = time.time()
            run = self.play(f"{cut.command}-{cut.kind}", *self.words(cut.command))
            if not cut_off(run, self.timelines[cut.command], cut, self.NAME, self.lock):
                self.ledger.late(cut)
                waiting.append(Cut(cut.command, cut.kind, cut.where * 0.9))
                continue
            reasons = self.again(cut.command, self.words(cut.command), [self.NAME])[self.NAME]
            self.judge(cut, self.NAME, since, reasons + self.lost(cut.command), run.log)

    def away(self) -> None:
        for words in (["rm", "--force", self.NAME], ["volume", "rm", "--force", self.VOLUME]):
            subprocess.run(["docker", *words], capture_output=True, check=False)
