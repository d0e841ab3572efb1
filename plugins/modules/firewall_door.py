#!/usr/bin/python
# Copyright: (c) 2026, The llmfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: firewall_door
short_description: Keep a table of nftables before a server's port
version_added: 0.1.0
author: [llmfleet authors (@llmfleet)]
description:
  - Writes rules of nftables, the units that load them at each start of the host and put them back when somebody flushes them, and loads what differs.
  - The rules are tried before anything is written. Other tables of the host are not touched.
  - What is to be written is decided by M(llmfleet.ollama.plan_web_ui), its C(doors).
options:
  door:
    description: What is wanted.
    type: dict
    required: true
    suboptions:
      state:
        description: With V(absent) the units are stopped and the files removed.
        type: str
        choices: [present, absent]
        default: present
      files:
        description: All files of the door.
        type: list
        elements: dict
        required: true
        suboptions:
          path:
            description: Where it lies.
            type: path
            required: true
          content:
            description: Its text. It belongs to root and everybody may read it.
            type: str
      units:
        description: Paths of the unit that loads the rules, and of the one that guards them.
        type: list
        elements: path
        required: true
      rules:
        description: The path of O(door.files) that holds the rules. Needed where the door is wanted.
        type: path
      table:
        description: Name of the table, of the family inet. Needed where the door is wanted.
        type: str
      id:
        description: What a comment of the rules says that are wanted, in hex digits. Needed where the door is wanted.
        type: str
attributes:
  check_mode:
    description: Says whether anything would change.
    support: full
  diff_mode:
    description: The files are named, not shown.
    support: none
  idempotent:
    description: Rules that the kernel holds already are not loaded again.
    support: full
  platform:
    description: Linux with systemd.
    support: full
    platforms: linux
"""

EXAMPLES = r"""
- name: Guard the port as it was decided
  llmfleet.ollama.firewall_door:
    door: "{{ web_ui_plan.doors.before }}"
"""

RETURN = r"""
written:
  description: The files that were, or in check mode would be, written or removed.
  returned: always
  type: list
  elements: str
loaded:
  description: Whether the rules were, or would be, loaded.
  returned: always
  type: bool
"""

import os
import tempfile

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.llmfleet.ollama.plugins.module_utils.look.linux import door

MODE = 0o644


def differs(path, content):
    """Whether a file is not there as root's own, with this text."""
    try:
        found = os.lstat(path)
        with open(path, encoding="utf-8") as stream:
            return stream.read() != content or os.path.islink(path) or (found.st_uid, found.st_mode & 0o7777) != (os.geteuid(), MODE)
    except (OSError, ValueError):
        return True


class Host:
    """What is done to the host, each step only where it is needed."""

    def __init__(self, module):
        self.module, self.wanted = module, module.params["door"]
        self.unit, self.watch = (os.path.basename(path) for path in self.wanted["units"])

    def call(self, *words, may_fail=False):
        code, _out, said = self.module.run_command(list(words))
        if code and not may_fail:
            self.module.fail_json(
                msg="%s does not work on this host (%s), so the port would be open; correct that, and run again."
                % (
                    " ".join(words[:2]),
                    said.strip().splitlines()[0] if said.strip() else "no message",
                )
            )
        return code == 0

    def write(self, path, content):
        folder = os.path.dirname(path)
        os.makedirs(folder, mode=0o755, exist_ok=True)
        handle, temporary = tempfile.mkstemp(dir=folder, prefix=".llmfleet-")
        try:
            with os.fdopen(handle, "w", encoding="utf-8") as stream:
                stream.write(content)
            os.chmod(temporary, MODE)
            # Ansible's atomic_move would give it owner and mode of what lies there, which may be what is wrong.
            os.rename(temporary, path)
        except OSError as error:
            os.unlink(temporary)
            raise OSError(error.errno, error.strerror, path)
        self.module.set_default_selinux_context(path, False)

    def try_rules(self, content):
        handle, temporary = tempfile.mkstemp(dir=self.module.tmpdir)
        with os.fdopen(handle, "w", encoding="utf-8") as stream:
            stream.write(content)
        self.call("nft", "-c", "-f", temporary)

    def present(self):
        stale = [file for file in self.wanted["files"] if differs(file["path"], file["content"])]
        written = [file["path"] for file in stale]
        load = self.wanted["rules"] in written or door(self.wanted["table"])["id"] != self.wanted["id"]
        watched = self.call("systemctl", "is-active", "--quiet", self.watch, may_fail=True)
        enabled = self.call("systemctl", "is-enabled", "--quiet", self.unit, may_fail=True)
        changed = bool(written) or load or not watched or not enabled
        if changed and not self.module.check_mode:
            for file in stale:
                if file["path"] == self.wanted["rules"]:
                    self.try_rules(file["content"])
            for file in stale:
                self.write(file["path"], file["content"])
            if written:
                self.call("systemctl", "daemon-reload")
            if not enabled:
                self.call("systemctl", "enable", "--quiet", self.unit)
            # Replaces the whole table in one step; connections of clients that may stay are not cut. A door that rests is started.
            self.call("systemctl", "reload-or-restart", self.unit)
            self.call("systemctl", "restart", self.watch)
            if door(self.wanted["table"])["id"] != self.wanted["id"]:
                self.module.fail_json(
                    msg="The firewall rules of %s were loaded and are not there; see `systemctl status %s` on the host."
                    % (
                        self.wanted["rules"],
                        self.unit,
                    )
                )
        return changed, written, load

    def absent(self):
        there = [file["path"] for file in self.wanted["files"] if os.path.lexists(file["path"])]
        if there and not self.module.check_mode:
            self.call("systemctl", "disable", "--quiet", "--now", self.unit, may_fail=True)
            self.call("systemctl", "stop", self.watch, may_fail=True)
            for path in there:
                os.unlink(path)
                try:
                    # Only of ours: other doors may have theirs there.
                    os.rmdir(os.path.dirname(path))
                except OSError:
                    continue
            self.call("systemctl", "daemon-reload")
        return bool(there), there, False


def main():
    module = AnsibleModule(
        argument_spec={
            "door": {
                "type": "dict",
                "required": True,
                "options": {
                    "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
                    "files": {
                        "type": "list",
                        "elements": "dict",
                        "required": True,
                        "options": {"path": {"type": "path", "required": True}, "content": {"type": "str"}},
                    },
                    "units": {"type": "list", "elements": "path", "required": True},
                    "rules": {"type": "path"},
                    "table": {"type": "str"},
                    "id": {"type": "str"},
                },
                "required_if": [("state", "present", ["rules", "table", "id"])],
            },
        },
        supports_check_mode=True,
    )
    host = Host(module)
    try:
        changed, written, loaded = host.present() if host.wanted["state"] == "present" else host.absent()
    except OSError as error:
        # Only the rules on trial have no name: they lie there.
        place = error.filename or module.tmpdir
        module.fail_json(msg="%s cannot be written (%s); run with become, and see whether its disk is full or closed." % (place, error.strerror))
    module.exit_json(changed=changed, written=written, loaded=loaded)


if __name__ == "__main__":
    main()
