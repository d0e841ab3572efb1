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
import json
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
BODY = json.dumps({"model": MODEL, "stream": True, "messages": [{"role": "user", "content": "x" * 2000}]}).encode()
# What is aimed at (docs/gateway.md).
MORE_MS, SHARE = 1.0, 0.95


async def serve(port: int) -> None:
    async def one(reader, writer):
        try:
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).lower()
                length = next((int(line.split(b":")[1]) for line in head.split(b"\r\n") if line.startswith(b"content-length:")), 0)
                await reader.readexactly(length)
                if head.startswith(b"get"):
                    writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}")
                    continue
                await asyncio.sleep(FIRST)
                writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
                for number in range(WORDS):
                    if number:
                        await asyncio.sleep(PAUSE)
                    writer.write(b"5\r\nword\n\r\n")
                    await writer.drain()
                writer.write(b"0\r\n\r\n")
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(one, "127.0.0.1", port, backlog=1024)
    async with server:
        await server.serve_forever()


class Way:
    """One way to the host: a port, with TLS and a key or without both."""

    def __init__(self, name: str, port: int, trust: ssl.SSLContext | None):
        self.name, self.port, self.trust = name, port, trust
        head = "POST %s HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer %s\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n"
        self.request = (head % (PATH, KEY, len(BODY))).encode() + BODY

    async def connect(self):
        return await asyncio.open_connection("127.0.0.1", self.port, ssl=self.trust)

    async def ask(self, link) -> float:
        """Seconds to the first byte of the body; the rest is read, too."""
        reader, writer = link
        began = time.perf_counter()
        writer.write(self.request)
        head = await reader.readuntil(b"\r\n\r\n")
        if not head.startswith(b"HTTP/1.1 200"):
            raise SystemExit("%s answers: %s" % (self.name, head.decode(errors="replace").splitlines()[0]))
        await reader.readexactly(1)
        first = time.perf_counter() - began
        await reader.readuntil(b"\r\n0\r\n\r\n")
        return first


async def latencies(ways: list[Way], count: int) -> list[list[float]]:
    """One client, which keeps its connection; the ways in turns, and behind them the first one with a connection for each request."""
    links = [await way.connect() for way in ways]
    found: list[list[float]] = [[] for _way in (*ways, "anew")]
    for _time in range(count):
        for number, way in enumerate(ways):
            found[number].append(await way.ask(links[number]))
        began = time.perf_counter()
        anew = await ways[0].connect()
        opened = time.perf_counter() - began
        found[-1].append(opened + await ways[0].ask(anew))
        anew[1].close()
    for _reader, writer in links:
        writer.close()
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
    parser.add_argument("--requests", type=int, default=40, help="of one client, to the first byte, on each way")
    parser.add_argument("--serve", type=int, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.serve:
        asyncio.run(serve(arguments.serve))
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
            asyncio.run(ready(ways))
            return told(arguments, ways)
        finally:
            for process in (proxy, upstream):
                process.terminate()
                process.wait()


async def ready(ways: list[Way]) -> None:
    for way in ways:
        for _try in range(200):
            try:
                link = await way.connect()
                await way.ask(link)
                link[1].close()
                break
            except (OSError, asyncio.IncompleteReadError, SystemExit):
                await asyncio.sleep(0.1)
        else:
            raise SystemExit("%s does not answer at port %d" % (way.name, way.port))


def told(arguments, ways: list[Way]) -> int:
    bare, through, anew = asyncio.run(latencies(ways, arguments.requests))
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
