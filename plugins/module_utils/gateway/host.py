# Copyright: (c) 2026, The llmfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What there is of a gateway on a Linux host, and what its host has for one. Reads only."""

from __future__ import annotations

import datetime
import hashlib
import ipaddress
import json
import os
import re
import ssl
import subprocess

# Where the gateway's configuration lies, and what an earlier run wrote there of the hosts.
FOLDER = "/etc/llmfleet-gateway"
RECORD = "fleet.json"
# What clients have to trust where the fleet signs its certificates itself.
AUTHORITY = "authority.pem"
# And of the web UIs, whose keys it knows by their checksums.
WEB_UIS = "web-uis.json"
DIGEST = re.compile(r"[0-9a-f]{64}")
MEMORY = re.compile(r"^MemTotal:\s+(\d+) kB$", re.MULTILINE)
# apt-cache's candidate, and dnf's row.
OFFERED = re.compile(r"^(?:  Candidate: |haproxy\.\S+ +)(?:\d+:)?(\d+)\.(\d+)(?:\.(\d+))?", re.MULTILINE)
ENGLISH = {**os.environ, "LC_ALL": "C"}
VERSION = re.compile(r"version (\d+)\.(\d+)(?:\.(\d+))?")


def files_below(folder, watch):
    """(path -> sha1 of a file, or 'directory'), (path of a link -> its target), (names in the folder). A link's own file is not read."""
    found, links, names = {}, {}, []
    paths = list(watch)
    for parent in (folder, os.path.join(folder, "tls")):
        if os.path.isdir(parent) and not os.path.islink(parent):
            entries = sorted(os.listdir(parent))
            names += entries if parent == folder else []
            paths += [os.path.join(parent, name) for name in entries]
    for path in paths:
        if os.path.islink(path):
            links[path] = os.readlink(path)
        elif os.path.isdir(path):
            found[path] = "directory"
        elif os.path.isfile(path):
            with open(path, "rb") as stream:
                found[path] = hashlib.sha1(stream.read()).hexdigest()
    return found, links, names


def memory_bytes(path="/proc/meminfo"):
    """Of the machine, None where it cannot be told."""
    try:
        with open(path, encoding="ascii", errors="replace") as stream:
            found = MEMORY.search(stream.read())
    except OSError:
        return None
    return int(found.group(1)) * 1024 if found else None


def haproxy_version(program):
    """[major, minor, patch] of the program, [] where there is none or it does not tell."""
    try:
        said = subprocess.run([program, "-v"], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=20, check=False).stdout
    except (OSError, subprocess.SubprocessError):
        return []
    found = VERSION.search(said.decode("ascii", "replace"))
    return [int(part or 0) for part in found.groups()] if found else []


def offered(apt="apt-cache", dnf="dnf"):
    """[major, minor, patch] of the HAProxy that the host's own packages have, [] where they do not tell."""
    for command, place in ((apt, ["policy", "haproxy"]), (dnf, ["-q", "list", "--available", "haproxy"])):
        try:
            # A package manager that knows no lists yet fetches them, as it would for the installation.
            said = subprocess.run([command, *place], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env=ENGLISH, timeout=180, check=False).stdout
        except (OSError, subprocess.SubprocessError):
            continue
        found = [[int(part or 0) for part in row] for row in OFFERED.findall(said.decode("utf-8", "replace"))]
        if found:
            return max(found)
    return []


def selinux(folder="/sys/fs/selinux"):
    """Whether SELinux keeps HAProxy from all ports but a web server's."""
    try:
        with open(os.path.join(folder, "enforce"), encoding="ascii") as stream:
            enforcing = stream.read().strip() == "1"
        # Its value now, and the one that waits to be taken over.
        with open(os.path.join(folder, "booleans", "haproxy_connect_any"), encoding="ascii") as stream:
            return enforcing and stream.read().split()[:1] == ["0"]
    except (OSError, ValueError):
        return False


def record_of(path):
    """What an earlier run wrote of the fleet, {} for none and for what is no such thing."""
    try:
        with open(path, encoding="utf-8") as stream:
            found = json.load(stream)
    except (OSError, ValueError):
        return {}
    good = isinstance(found, dict) and all(
        isinstance(rows, list) and all(isinstance(row, dict) and isinstance(row.get("name"), str) for row in rows) for rows in found.values()
    )
    return found if good else {}


def web_uis_of(path):
    """What an earlier run wrote of the web UIs: host -> checksum of its key."""
    try:
        with open(path, encoding="utf-8") as stream:
            found = json.load(stream)
    except (OSError, ValueError):
        return {}
    good = isinstance(found, dict) and all(isinstance(digest, str) and DIGEST.fullmatch(digest) for digest in found.values())
    return found if good else {}


def certificate(path, key, now=None):
    """{error: why the two cannot serve, '' for good ones; digest: of their content; ends: in seconds since 1970; ends, days_left, names: None where that is
    not known}."""
    told = {"error": "", "digest": "", "ends": None, "days_left": None, "names": None}
    if not path:
        return told
    content = b""
    for name in (path, key):
        try:
            with open(name, "rb") as stream:
                content += stream.read()
        except OSError as problem:
            return dict(told, error="%s: %s" % (name, problem.strerror))
    try:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(path, key, password=_no_password)
    except ssl.SSLError as problem:
        mismatch = "KEY_VALUES_MISMATCH" in str(problem) or "key values mismatch" in str(problem)
        return dict(told, error="%s is the key of another certificate than %s" % (key, path) if mismatch else "%s and %s: %s" % (path, key, problem))
    except ValueError:
        return dict(told, error="%s has a password, which nobody could type when the gateway starts" % key)
    found = _read(path)
    ends = left = None
    if "notAfter" in found:
        ends = int(ssl.cert_time_to_seconds(found["notAfter"]))
        left = int((ends - (now or datetime.datetime.now(datetime.timezone.utc)).timestamp()) // 86400)
    if left is not None and left < 0:
        return dict(told, error="%s has expired" % path)
    return {"error": "", "digest": hashlib.sha256(content).hexdigest(), "ends": ends, "days_left": left, "names": names_of(found) if found else None}


def authority(path):
    """The text of the authority's certificate, '' for none."""
    try:
        with open(path, encoding="ascii") as stream:
            return stream.read()
    except (OSError, ValueError):
        return ""


def _no_password():
    raise ValueError("a password")


def _read(path):
    """The first certificate of a file, by what ssl itself has for its tests; {} from a Python without it."""
    decode = getattr(getattr(ssl, "_ssl", None), "_test_decode_cert", None)
    if not callable(decode):
        return {}
    try:
        return decode(path)
    except (ssl.SSLError, ValueError, OSError):
        return {}


def names_of(read):
    """DNS:name and IP:address of a certificate that _read() has read, addresses in Python's own spelling."""
    found = []
    for kind, value in read.get("subjectAltName") or ():
        if kind == "DNS":
            found.append("DNS:" + value)
        elif kind == "IP Address":
            found.append("IP:%s" % ipaddress.ip_address(value.strip()))
    return found


def runs_from(pid, folder, proc="/proc"):
    """Whether a process was started with a configuration of this folder."""
    try:
        with open(os.path.join(proc, str(pid), "cmdline"), "rb") as stream:
            return any(word.startswith(os.fsencode(folder) + b"/") for word in stream.read().split(b"\0"))
    except OSError:
        return False
