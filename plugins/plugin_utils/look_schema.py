# Copyright: (c) 2026, The llmfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a look says of a host, on every system: one shape, checked on the controller before anything believes it.

What a host says is data of a stranger. A field that is missing or of another type is one sentence that names the host and the field, never a
traceback; a field that nobody asked for is ignored, so that an older controller can read a newer look. What a system does not have is null.
"""

from __future__ import annotations

SCHEMA = 1
SYSTEMS = ("linux", "macos", "windows")
KINDS = ("file", "directory", "link", "other")


class BadLook(ValueError):
    """A look that cannot be believed; str() is the sentence."""


class Text:
    """A string. words: the only ones that are allowed."""

    def __init__(self, null=False, words=None):
        self.null, self.words = null, words

    def wrong(self, value, place):
        if not isinstance(value, str):
            return "%s is %s, not a text" % (place, _shown(value))
        if self.words and value not in self.words:
            return "%s is %s, not one of %s" % (place, _shown(value), ", ".join(self.words))
        return None


class Whole:
    """An integer, never negative."""

    def __init__(self, null=False):
        self.null = null

    @staticmethod
    def wrong(value, place):
        if isinstance(value, bool) or not isinstance(value, int) or value < 0:
            return "%s is %s, not a whole number" % (place, _shown(value))
        return None


class Flag:
    def __init__(self, null=False):
        self.null = null

    @staticmethod
    def wrong(value, place):
        return None if isinstance(value, bool) else "%s is %s, not true or false" % (place, _shown(value))


class Each:
    """A list of one type."""

    def __init__(self, inner, null=False):
        self.inner, self.null = inner, null

    def wrong(self, value, place):
        if not isinstance(value, list):
            return "%s is %s, not a list" % (place, _shown(value))
        return _first(_wrong(self.inner, entry, "%s[%d]" % (place, number)) for number, entry in enumerate(value))


class Record:
    """Named fields, all of which must be there. Without fields: any dict whose keys are texts."""

    def __init__(self, fields=None, null=False):
        self.fields, self.null = fields or {}, null

    def wrong(self, value, place):
        if not isinstance(value, dict) or not all(isinstance(key, str) for key in value):
            return "%s is %s, not named values" % (place, _shown(value))
        return _first(
            _wrong(kind, value[name], "%s.%s" % (place, name)) if name in value else "%s.%s is missing" % (place, name)
            for name, kind in self.fields.items()
        )


def _first(complaints):
    return next((complaint for complaint in complaints if complaint), None)


def _wrong(kind, value, place):
    if value is None:
        return None if kind.null else "%s is null" % place
    return kind.wrong(value, place)


def _shown(value):
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."


# path: as it was asked for. mode: four octal digits. owner, group: names; on Windows owner is a SID. sha256: of files below 1 MB, else null.
# target: where a link leads, as the link says it. changed_at: seconds of Unix time; null for one in the future.
# ours: not Windows: the file says that this collection keeps it; null for what is not read.
# protected, granted: Windows only: inherits no rights; the service's account itself is named with the right to modify.
FILE = Record({
    "path": Text(), "kind": Text(words=KINDS), "mode": Text(null=True), "owner": Text(null=True), "group": Text(null=True), "sha256": Text(null=True),
    "target": Text(null=True), "changed_at": Whole(null=True), "size_bytes": Whole(null=True), "ours": Flag(null=True), "protected": Flag(null=True),
    "granted": Flag(null=True),
})

# missing_mount: the mount point, volume or drive that should hold the path and is not there. ownerless_volume: macOS, a volume that ignores owners.
# filesystem: in the system's own words (stat -f, NTFS). free_bytes: of the nearest directory that exists, else null.
PLACE = {"missing_mount": Text(null=True), "filesystem": Text(null=True), "free_bytes": Whole(null=True)}

FAILED = Each(Record({"field": Text(), "why": Text()}))

COMMON = {
    "schema": Whole(),
    "system": Text(words=SYSTEMS),
    # ---- the machine. architecture: x86_64, aarch64, arm64, AMD64 ...: of the kernel, not of a Python under Rosetta
    "architecture": Text(), "kernel": Text(),
    # os_version: that of a distribution, 14.5 of a Mac, 10.0.20348 of Windows
    # os_like: ID and ID_LIKE of /etc/os-release, the nearest first; empty where there is none
    "os_name": Text(), "os_version": Text(), "os_like": Each(Text()),
    # systemd, launchd, windows, or what else process 1 is
    "service_manager": Text(),
    # an administrator on Windows. Without it nothing below means anything, and most is empty.
    "is_root": Flag(),
    # vendors of display and compute devices on the bus: nvidia, amd, intel
    "display_vendors": Each(Text()),
    # Jetson: first number of /etc/nv_tegra_release (35 is JetPack 5, 36 JetPack 6)
    "l4t": Whole(null=True),
    # raw observation of the accelerators, of which vram is made; null where it was not asked for or failed
    "observation": Record(null=True),
    # ---- what is there of ours. files: only those that exist, in the order asked for
    "files": Each(FILE),
    "user": Record({"exists": Flag(), "groups": Each(Text())}),
    # Linux: groups that own GPU devices and exist here (render, video)
    "gpu_groups": Each(Text()),
    # path: the unit file that systemd has loaded, the plist, the task's name; null without one. loaded: the service manager knows it.
    # enabled: it starts with the machine; null where that is not known. running: it is active; on Windows the state Running.
    # pid, started_at: of its main process, null when it does not run.
    # needs_reload: its files are newer than what the service manager has read.
    "service": Record({
        "path": Text(null=True), "loaded": Flag(), "enabled": Flag(null=True), "running": Flag(), "pid": Whole(null=True), "started_at": Whole(null=True),
        "needs_reload": Flag(),
    }),
    # another program that listens on the port, by name; "a process without a name" where it has none to tell
    "port_owner": Text(null=True),
    # address:port where our service's process listens now, e.g. 0.0.0.0:11434, *:11434, [::]:11434
    "own_listener": Text(null=True),
    # hosts that shall be admitted, as this host resolves them; no address where it cannot
    "resolved": Each(Record({"name": Text(), "addresses": Each(Text())})),
    # where the controller comes from by this host's word (SSH_CLIENT); null where it does not know
    "controller": Text(null=True),
    # names of programs that were asked for and are on root's path
    "tools": Each(Text()),
    # ---- places
    # of the paths that were asked for, those whose file system is mounted read-only
    "read_only": Each(Text()),
    # releases: names of directories in install_dir that begin with a digit, what a cut-off run left included. moving: a move of models was cut off.
    # ours: Linux only: names of what the role has made there, hidden ones too.
    "install": Record(dict(PLACE, releases=Each(Text()), moving=Flag(), ours=Each(Text(), null=True))),
    # closed_parent: first directory above it that the user cannot enter. denied: it exists and the user may not write.
    # has_entries: it holds more than lost+found.
    # other_stores: hold models and are not the wanted one; size_bytes null where it was not summed.
    # manifests: its models by their own manifests, name as host/namespace/model:tag, bad_blobs: digests of layers that are absent or of the wrong
    # size; null where the store could not be read.
    "store": Record(dict(
        PLACE, ownerless_volume=Text(null=True), closed_parent=Text(null=True), denied=Flag(), has_entries=Flag(),
        other_stores=Each(Record({"path": Text(), "size_bytes": Whole(null=True)})),
        manifests=Each(Record({"name": Text(), "digest": Text(), "bad_blobs": Each(Text())}), null=True),
    )),
    # programs of others that fight for the port: paths
    "desktop_app": Text(null=True), "brew_service": Text(null=True),
    # ---- what the API answers at the wanted address: version; models of /api/tags; running of /api/ps; each null when it does not answer
    "api": Record({"version": Text(null=True), "models": Each(Record(), null=True), "running": Each(Record(), null=True)}),
    # ---- a change of Ollama that was begun and not ended
    # record: what lies on the host until the change is proved or taken back; null without one. asked: the release that its last run asked for, tried: all
    # of them. before: what served, of which release and previous are those of the links; version: what answered at url, empty where nothing did; releases:
    # those that were there. missing: paths that a change may write and at which nothing was.
    # holder: who is at it now; null where nobody is. silent_seconds: since its last sign of life.
    "change": Record({
        "record": Record({
            "since": Whole(), "by": Text(), "asked": Text(), "tried": Each(Text()), "missing": Each(Text()),
            "before": Record({
                "release": Text(), "previous": Text(), "version": Text(), "url": Text(), "had_server": Flag(), "releases": Each(Text()),
            }),
        }, null=True),
        "holder": Record({"who": Text(), "doing": Text(), "since": Whole(), "silent_seconds": Whole()}, null=True),
    }),
    # what was proved of models on this host (llmfleet.fact); null without any
    "proofs": Record(null=True),
    # readers that failed or did not end in time: what they owe is null. Only what may be unknown may be among them.
    "failed": FAILED,
}
# What a look may owe: a name that does not resolve, models and proofs that are then asked for anew.
MAY_FAIL = ("resolved", "names", "manifests", "proofs")

# The door is another thing on each system.
DOOR = {
    # error: of `nft list tables`, null when it works. id: what the loaded rules say in their comment, null without rules of ours.
    "linux": Record({"error": Text(null=True), "id": Text(null=True)}),
    # loaded: launchd knows the door's daemon. calls_us: the main ruleset has anchor "com.apple/*". rules: loaded rules of ours with a port.
    "macos": Record({"loaded": Flag(), "enabled": Flag(), "calls_us": Flag(), "rules": Whole()}),
    # rule: that of our name, null without one; addresses as address/bits. off: profiles whose firewall is off. open: those that admit what no rule forbids.
    # others: names of rules that are not ours and admit to the port.
    "windows": Record({
        "off": Each(Text()), "open": Each(Text()), "others": Each(Text()),
        "rule": Record({
            "enabled": Flag(), "inbound": Flag(), "allow": Flag(), "tcp": Flag(), "port": Text(), "addresses": Each(Text()),
        }, null=True),
    }),
}

WINDOWS = {
    "os_build": Whole(), "is_server": Flag(),
    # a range of Hyper-V or WinNAT holds the port
    "port_excluded": Flag(),
    # account: a SID; triggers: "boot", "time PT1M"
    "task": Record({
        "execute": Text(), "arguments": Text(), "account": Text(), "triggers": Each(Text()), "instances": Text(), "limit": Text(),
        "batteries": Flag(), "priority": Whole(), "enabled": Flag(),
    }, null=True),
    # the machine's PATH has <install_dir>\current; OLLAMA_HOST of the machine's environment
    "on_path": Flag(), "machine_ollama_host": Text(null=True),
}

SCHEMAS = {
    "linux": Record({**COMMON, "door": DOOR["linux"]}),
    "macos": Record({**COMMON, "door": DOOR["macos"]}),
    "windows": Record({**COMMON, **WINDOWS, "door": DOOR["windows"]}),
}


def complaint(host, look):
    """What is wrong with a look, in one sentence that names host and field; None when it can be used."""
    wrong = _wrong(Record({"schema": Whole(), "system": Text(words=SYSTEMS), "is_root": Flag()}), look, "look")
    if wrong is None and look["schema"] != SCHEMA:
        wrong = "look.schema is %d, and this controller reads %d" % (look["schema"], SCHEMA)
    # Without root the look stops: nothing that it could say more would mean anything.
    if wrong is None and look["is_root"]:
        owed = [] if _wrong(FAILED, look.get("failed"), "") else [row for row in look["failed"] if row["field"].split(" ")[0] not in MAY_FAIL]
        if owed:
            return "%s cannot say what is to be known of its %s (%s); look into that there, then run this again." % (
                host, owed[0]["field"], owed[0]["why"],
            )
        wrong = SCHEMAS[look["system"]].wrong(look, "look")
    return wrong and "What %s says of itself cannot be used: %s; run this again with the collection's own look module." % (host, wrong)


def check(host, look):
    """The look itself, or BadLook."""
    wrong = complaint(host, look)
    if wrong:
        raise BadLook(wrong)
    return look
