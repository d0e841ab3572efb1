# Copyright: (c) 2026, The llmfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What module gateway_probe sees. Deleted, a key of another certificate, or a port of somebody else, would show when clients are cut off."""

from __future__ import annotations

import datetime
import hashlib
import subprocess
import sys
import time
from pathlib import Path

import pytest
from ansible_collections.llmfleet.ollama.plugins.module_utils.gateway import host
from support import needs


def test_files_and_links(tmp_path):
    """A link's own file may be a private key, so it is not read."""
    folder = tmp_path / "g"
    (folder / "tls").mkdir(parents=True)
    (folder / "haproxy.cfg").write_bytes(b"x")
    (folder / "tls" / "gateway.pem").symlink_to("/c.pem")
    files, links, names = host.files_below(str(folder), [str(tmp_path / "unit"), str(folder)])
    assert files == {str(folder): "directory", str(folder / "tls"): "directory", str(folder / "haproxy.cfg"): hashlib.sha1(b"x").hexdigest()}
    assert links == {str(folder / "tls" / "gateway.pem"): "/c.pem"}
    assert names == ["haproxy.cfg", "tls"]


def test_memory(tmp_path):
    (tmp_path / "meminfo").write_text("MemTotal:       24588232 kB\nMemFree:  1 kB\n")
    assert host.memory_bytes(str(tmp_path / "meminfo")) == 24588232 * 1024
    assert host.memory_bytes(str(tmp_path / "none")) is None


@pytest.mark.parametrize(
    "said,version",
    [("HAProxy version 2.6.12-1+deb12u4 2026/10/17 - https://haproxy.org/", [2, 6, 12]), ("HAProxy version 3.3-dev2 x", [3, 3, 0]), ("hello", [])],
)
def test_version(tmp_path, said, version):
    program = tmp_path / "haproxy"
    program.write_text("#!/bin/sh\necho '%s'\n" % said)
    program.chmod(0o755)
    assert host.haproxy_version(str(program)) == version


def test_no_haproxy(tmp_path):
    assert host.haproxy_version(str(tmp_path / "haproxy")) == []


APT = "haproxy:\n  Installed: (none)\n  Candidate: %s\n  Version table:\n     1:9.9.9-1 500\n"
# Written as dnf prints them; no host of this family was asked.
DNF = "Available Packages\nhaproxy.x86_64      2.4.17-6.el9      appstream\nhaproxy.x86_64      2.4.22-3.el9_5      appstream\n"


@pytest.mark.parametrize(
    "apt,dnf,version",
    [
        (APT % "2.6.12-1+deb12u4", None, [2, 6, 12]),
        (APT % "1:2.8.5-1ubuntu3", DNF, [2, 8, 5]),
        (APT % "(none)", None, []),
        (None, DNF, [2, 4, 22]),
        (None, "haproxy.aarch64 3.0-1.el10 baseos\n", [3, 0, 0]),
        (None, "Error: No matching Packages to list\n", []),
        (None, None, []),
    ],
)
def test_which_haproxy_would_come(tmp_path, apt, dnf, version):
    """Before anything is installed; what does not tell hinders nobody."""
    for name, said in (("apt", apt), ("dnf", dnf)):
        if said is not None:
            (tmp_path / (name + ".txt")).write_text(said)
            (tmp_path / name).write_text("#!/bin/sh\ncat '%s.txt'\n" % (tmp_path / name))
            (tmp_path / name).chmod(0o755)
    assert host.offered(str(tmp_path / "apt"), str(tmp_path / "dnf")) == version


@pytest.mark.parametrize(
    "enforce,boolean,kept", [("1", "0 0", True), ("1", "1 1", False), ("1", "0 1", True), ("0", "0 0", False), ("1", None, False), (None, None, False)]
)
def test_what_selinux_keeps_haproxy_from(tmp_path, enforce, boolean, kept):
    """As the kernel shows it: a file for the switch, and one for each boolean with its value now and the next one."""
    (tmp_path / "booleans").mkdir()
    for name, text in (("enforce", enforce), ("booleans/haproxy_connect_any", boolean)):
        if text is not None:
            (tmp_path / name).write_text(text)
    assert host.selinux(str(tmp_path)) is kept


@pytest.mark.parametrize(
    "text,known",
    [('{"page": "%s"}' % ("ab" * 32), {"page": "ab" * 32}), ('{"page": "ab 12"}', {}), ('{"page": 3}', {}), ("[]", {}), ("{", {})],
)
def test_what_an_earlier_run_wrote_of_web_uis(tmp_path, text, known):
    """It goes into a file that HAProxy reads line by line."""
    (tmp_path / "web-uis.json").write_text(text)
    assert host.web_uis_of(str(tmp_path / "web-uis.json")) == known


@pytest.mark.parametrize(
    "text,record",
    [('{"gpu": [{"name": "m:7b"}]}', {"gpu": [{"name": "m:7b"}]}), ('{"gpu": ["m:7b"]}', {}), ('{"gpu": [{"name": 3}]}', {}), ("[]", {}), ("{", {})],
)
def test_what_an_earlier_run_wrote(tmp_path, text, record):
    """A file that broke must not stop a run: the plans of this one may be enough."""
    (tmp_path / "fleet.json").write_text(text)
    assert host.record_of(str(tmp_path / "fleet.json")) == record
    assert host.record_of(str(tmp_path / "none")) == {}


def test_the_authority(tmp_path):
    (tmp_path / "authority.pem").write_text("-----BEGIN", encoding="ascii")
    assert host.authority(str(tmp_path / "authority.pem")) == "-----BEGIN"
    assert host.authority(str(tmp_path / "none")) == ""


@needs.linux
def test_whose_port_it_is(tmp_path):
    """Two HAProxys of one host are told apart by their configuration."""
    with subprocess.Popen([sys.executable, "-c", "input()", str(tmp_path / "haproxy.cfg")], stdin=subprocess.PIPE) as process:
        # A process that has just been started has no arguments yet.
        while not Path("/proc/%d/cmdline" % process.pid).read_bytes():
            time.sleep(0.01)
        mine = host.runs_from(process.pid, str(tmp_path)), host.runs_from(process.pid, "/etc/other")
        process.communicate(b"\n")
    assert mine == (True, False)


def made(folder, name, *options):
    openssl = needs.tool("openssl")
    command = [openssl, "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-subj", "/CN=" + name, "-days", "30"]
    files = [str(folder / (name + ".pem")), str(folder / (name + ".key"))]
    subprocess.run([*command, *(options or ["-nodes"]), "-out", files[0], "-keyout", files[1]], check=True, capture_output=True)
    return files


def test_certificates(tmp_path):
    good, other = made(tmp_path, "good"), made(tmp_path, "other")
    found = host.certificate(*good)
    assert found["error"] == "" and found["days_left"] == 29 and len(found["digest"]) == 64 and found["names"] == []
    assert host.certificate(*good, now=datetime.datetime.fromtimestamp(found["ends"] - 1, datetime.timezone.utc))["days_left"] == 0  # noqa: UP017
    assert "is the key of another certificate than" in host.certificate(good[0], other[1])["error"]
    assert "No such file" in host.certificate(good[0], str(tmp_path / "none"))["error"]
    later = datetime.datetime(2200, 1, 1, tzinfo=datetime.timezone.utc)  # noqa: UP017 Python 3.9 has no datetime.UTC
    assert "has expired" in host.certificate(*good, now=later)["error"]
    assert host.certificate("", "") == {"error": "", "digest": "", "ends": None, "days_left": None, "names": None}


def test_names_of_a_certificate():
    """As the decision writes them, whatever OpenSSL prints of an address."""
    read = {"subjectAltName": (("DNS", "hub"), ("IP Address", "10.0.0.9"), ("IP Address", "FD00:0:0:0:0:0:0:1\n"), ("email", "x"))}
    assert host.names_of(read) == ["DNS:hub", "IP:10.0.0.9", "IP:fd00::1"]


def test_a_key_with_a_password(tmp_path):
    """HAProxy would ask for it on a terminal that no service has."""
    assert "has a password" in host.certificate(*made(tmp_path, "locked", "-passout", "pass:secret"))["error"]
