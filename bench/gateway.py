#!/usr/bin/env python3
# Copyright: (c) 2026, The llmfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the gateway costs: time to the first byte, and requests a second at many streams, against the host itself, in one run on this machine.

    python bench/gateway.py                       # needs HAProxy (Debian's package) on the path, or --haproxy PATH
    python bench/gateway.py --streams 64 --rounds 3

The host is a program on the loopback that answers as a server of models does, at a fixed rate: the first word after a while, then one after another. Its
rate is no question of the machine's speed, so what differs between the two ways is the gateway. The gateway has the configuration of role gateway: a key,
TLS, and one model. The ways take turns, so that what else the machine does meets all. A third one tells what of it is no work of HAProxy's: the host with a new
connection for each request, which the gateway opens, since one that is kept may lead to a host that is gone, and a new one is tried at another host.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import heapq
import json
import re
import select
import shutil
import socket
import ssl
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import yaml

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "collections"))

from ansible_collections.llmfleet.ollama.plugins.plugin_utils.gateway import config, fleet, wish  # noqa: E402

MODEL, KEY = "m:1b", "k" * 32
# Of the host: seconds to the first word, words, seconds between two.
FIRST, WORDS, PAUSE = 0.1, 10, 0.05
PATH = "/v1/chat/completions"
# Behind the path: one word is enough.
SHORT = b"?short"
BODY = json.dumps({"model": MODEL, "stream": True, "messages": [{"role": "user", "content": "x" * 2000}]}).encode()
# What is aimed at (docs/gateway.md).
MORE_MS, SHARE = 1.0, 0.95


class Host:
    """It takes in what comes at once, as a server of models does, which is written in Go, and answers by the clock. By asyncio a new connection cost half a
    millisecond and more, and that counted as the gateway's."""

    def __init__(self, port: int):
        self.door = socket.create_server(("127.0.0.1", port), backlog=1024)
        self.door.setblocking(False)
        self.events = select.epoll()
        self.events.register(self.door, select.EPOLLIN)
        self.links: dict[int, socket.socket] = {}
        self.heard: dict[int, bytes] = {}
        # When, whose, how many words were said, how many there are.
        self.due: list[tuple[float, int, int, int]] = []

    def serve(self) -> None:
        while True:
            for number, _kind in self.events.poll(max(0, self.due[0][0] - time.perf_counter()) if self.due else None):
                if number == self.door.fileno():
                    self.take()
                else:
                    self.guarded(self.hear, number)
            while self.due and self.due[0][0] <= time.perf_counter():
                self.guarded(self.say, *heapq.heappop(self.due))

    def take(self) -> None:
        with contextlib.suppress(BlockingIOError):
            while True:
                link, _address = self.door.accept()
                link.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                self.links[link.fileno()], self.heard[link.fileno()] = link, b""
                self.events.register(link, select.EPOLLIN)

    def guarded(self, what, *words) -> None:
        try:
            what(*words)
        except OSError:
            # Who asked is gone; the end of the connection is an event of its own.
            pass

    def hear(self, number: int) -> None:
        said = self.links[number].recv(1 << 20)
        if not said:
            self.events.unregister(number)
            self.links.pop(number).close()
            self.due = [row for row in self.due if row[1] != number]
            heapq.heapify(self.due)
            return
        self.heard[number] += said
        head, blank, body = self.heard[number].partition(b"\r\n\r\n")
        length = re.search(rb"content-length: (\d+)", head.lower())
        if not blank or len(body) < int(length[1] if length else 0):
            return
        self.heard[number] = b""
        if head.startswith(b"GET"):
            self.links[number].sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}")
        else:
            heapq.heappush(self.due, (time.perf_counter() + FIRST, number, 0, 1 if SHORT in head else WORDS))

    def say(self, at: float, number: int, said: int, words: int) -> None:
        head = b"" if said else b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
        self.links[number].sendall(head + b"5\r\nword\n\r\n" + (b"" if said + 1 < words else b"0\r\n\r\n"))
        if said + 1 < words:
            heapq.heappush(self.due, (at + PAUSE, number, said + 1, words))


class Way:
    """One way to the host: a port, with TLS and a key or without both."""

    def __init__(self, name: str, port: int, trust: ssl.SSLContext | None):
        self.name, self.port, self.trust = name, port, trust
        head = "POST %s HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer %s\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n"
        self.request = (head % (PATH, KEY, len(BODY))).encode() + BODY

        self.short = self.request.replace(PATH.encode(), PATH.encode() + SHORT, 1)

    def open(self) -> socket.socket:
        link = socket.create_connection(("127.0.0.1", self.port))
        link.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return self.trust.wrap_socket(link) if self.trust else link

    def first_byte(self, link: socket.socket) -> float:
        """Seconds to the first byte of an answer of one word."""
        began = time.perf_counter()
        link.sendall(self.short)
        said = b""
        while not said.partition(b"\r\n\r\n")[2]:
            said += self.heard(link)
        first = time.perf_counter() - began
        if not said.startswith(b"HTTP/1.1 200"):
            raise SystemExit("%s answers: %s" % (self.name, said.decode(errors="replace").splitlines()[0]))
        while not said.endswith(b"\r\n0\r\n\r\n"):
            said += self.heard(link)
        return first

    def heard(self, link: socket.socket) -> bytes:
        said = link.recv(1 << 16)
        if not said:
            raise SystemExit("%s broke off." % self.name)
        return said

    async def connect(self):
        return await asyncio.open_connection("127.0.0.1", self.port, ssl=self.trust)

    async def ask(self, link) -> None:
        reader, writer = link
        writer.write(self.request)
        head = await reader.readuntil(b"\r\n\r\n")
        if not head.startswith(b"HTTP/1.1 200"):
            raise SystemExit("%s answers: %s" % (self.name, head.decode(errors="replace").splitlines()[0]))
        await reader.readuntil(b"\r\n0\r\n\r\n")


def latencies(ways: list[Way], count: int) -> list[list[float]]:
    """One client, which keeps its connection; the ways in turns, and behind them the first one with a connection for each request."""
    links = [way.open() for way in ways]
    found: list[list[float]] = [[] for _way in (*ways, "anew")]
    for _time in range(count):
        for number, way in enumerate(ways):
            found[number].append(way.first_byte(links[number]))
        began = time.perf_counter()
        with ways[0].open() as anew:
            opened = time.perf_counter() - began
            found[-1].append(opened + ways[0].first_byte(anew))
    for link in links:
        link.close()
    return found


async def throughput(way: Way, streams: int, seconds: float) -> float:
    """Requests a second of so many clients that never pause."""
    done = 0
    links = await asyncio.gather(*(way.connect() for _one in range(streams)))
    began = time.perf_counter()
    end = began + seconds

    async def client(link):
        nonlocal done
        while time.perf_counter() < end:
            await way.ask(link)
            done += 1

    await asyncio.gather(*map(client, links))
    took = time.perf_counter() - began
    for _reader, writer in links:
        writer.close()
    return done / took


def free_ports(count: int) -> list[int]:
    sockets = [socket.create_server(("127.0.0.1", 0)) for _one in range(count)]
    ports = [one.getsockname()[1] for one in sockets]
    for one in sockets:
        one.close()
    return ports


def written(folder: Path, port: int, metrics: int, host: int, streams: int) -> Path:
    """The role's own configuration, for this folder and for whoever runs this."""
    config.FOLDER, config.runtime.SOCKET = str(folder), str(folder / "socket")
    shipped = yaml.safe_load((ROOT / "roles/gateway/defaults/main.yml").read_text(encoding="utf-8"))
    defaults = {name.removeprefix("gateway_"): value for name, value in shipped.items()}
    certificate, key = folder / "c.pem", folder / "c.key"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-subj", "/CN=localhost", "-days", "2",
         "-out", str(certificate), "-keyout", str(key)],
        check=True, capture_output=True,
    )  # fmt: skip
    (folder / "tls").mkdir()
    (folder / "tls" / "gateway.pem").write_text(certificate.read_text() + key.read_text())
    given = {**defaults, "allowed_cidrs": [], "port": port, "metrics_port": metrics, "tls_certificate": str(certificate), "tls_key": str(key)}
    keys, _problems = wish.read_keys([{"name": "bench", "key": KEY}])
    holder = fleet.Host("host", "127.0.0.1:%d" % host, (fleet.Model(MODEL, parallel=2 * streams),))
    for name, text in config.files(given, keys, fleet.Fleet((holder,)), config.room(given, 8 << 30)).items():
        mine = [line for line in text.splitlines() if not line.strip().startswith(("user ", "group ", "chroot "))]
        (folder / name).write_text("\n".join(mine) + "\n")
    return folder / "haproxy.cfg"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--haproxy", default=shutil.which("haproxy") or "/usr/sbin/haproxy")
    parser.add_argument("--streams", type=int, default=64)
    parser.add_argument("--rounds", type=int, default=3, help="how often the two ways take turns with all streams")
    parser.add_argument("--seconds", type=float, default=10, help="of each turn")
    parser.add_argument("--requests", type=int, default=200, help="of one client, to the first byte, on each way")
    parser.add_argument("--serve", type=int, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.serve:
        Host(arguments.serve).serve()
        return 0
    if not Path(arguments.haproxy).exists():
        print("bench/gateway.py: there is no %s; install HAProxy (apt-get install haproxy), or name it with --haproxy." % arguments.haproxy)
        return 1
    host, port, metrics = free_ports(3)
    with tempfile.TemporaryDirectory() as name:
        path = written(Path(name), port, metrics, host, arguments.streams)
        upstream = subprocess.Popen([sys.executable, __file__, "--serve", str(host)])
        proxy = subprocess.Popen([arguments.haproxy, "-db", "-f", str(path)], stdout=subprocess.DEVNULL)
        try:
            trust = ssl.create_default_context(cafile=str(Path(name) / "c.pem"))
            trust.check_hostname = False
            ways = [Way("the host", host, None), Way("the gateway", port, trust)]
            ready(ways)
            return told(arguments, ways)
        finally:
            for process in (proxy, upstream):
                process.terminate()
                process.wait()


def ready(ways: list[Way]) -> None:
    for way in ways:
        for _try in range(200):
            try:
                with way.open() as link:
                    way.first_byte(link)
                break
            except (OSError, SystemExit):
                time.sleep(0.1)
        else:
            raise SystemExit("%s does not answer at port %d" % (way.name, way.port))


def told(arguments, ways: list[Way]) -> int:
    bare, through, anew = latencies(ways, arguments.requests)
    more = (statistics.median(through) - statistics.median(bare)) * 1000
    print("to the first byte: host %.2f ms, gateway %.2f ms: %+.2f ms (aim: at most %.0f more), medians of %d in turns"
          % (statistics.median(bare) * 1000, statistics.median(through) * 1000, more, MORE_MS, arguments.requests))  # fmt: skip
    opening = (statistics.median(anew) - statistics.median(bare)) * 1000
    print("of that %.2f ms are the new connection to the host, as the host itself has them with one for each request" % opening)
    shares = []
    for _round in range(arguments.rounds):
        rates = [asyncio.run(throughput(way, arguments.streams, arguments.seconds)) for way in ways]
        shares.append(rates[1] / rates[0])
        print("%d streams: host %.1f requests/s, gateway %.1f: %.1f %%" % (arguments.streams, *rates, shares[-1] * 100))
    share = statistics.median(shares)
    print("of the host's requests at %d streams: %.1f %% (aim: at least %.0f %%)" % (arguments.streams, share * 100, SHARE * 100))
    return 0 if more <= MORE_MS and share >= SHARE else 2


if __name__ == "__main__":
    sys.exit(main())
