#!/usr/bin/python
# Copyright: (c) 2026, The llmfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: host_change
short_description: Change a host as the only one, with a record of what served before
version_added: 0.1.0
author: [llmfleet authors (@llmfleet)]
description:
  - One controller at a time changes a host. Whoever comes second is refused in one sentence that names the first. A lock ends with a start of the host, or
    when its holder has given no sign of life for 15 minutes; each call of this module is one. Where the holder's run was killed, the same controller goes on
    at once.
  - The record says what served before the change, and holds copies of the files that the change may replace. It lies on the host until the change is proved
    or taken back, so the next run, from whatever controller, can go on or go back.
  - The action of this name adds who asks; use it in playbooks. On Windows it decides by the same functions, and M(llmfleet.ollama.win_host_change) acts.
  - Needs Python's standard library only.
options:
  state:
    description:
      - V(begin) takes the lock, and writes the record unless one is open. A run may begin one piece of work inside of another.
      - V(renew) is a sign of life of who has the lock; it takes none. Without O(lock) it is one for all that its run has of this host.
      - V(note) is one, too, and writes into the record how far the change has come (O(stage)); V(proved) is one, too, and removes the record.
      - V(restore) puts back what the record has kept. The record stays until the old server is proved.
      - V(done) lets go of the lock, once for each V(begin), and removes the record, if O(record) names it; else that stays for the next run.
    type: str
    choices: [begin, renew, note, proved, restore, done]
    required: true
  of:
    description: What is changed. Each has a lock of its own on the host.
    type: str
    choices: [ollama, open_webui, model_mirror]
    default: ollama
  record:
    description: The folder of the record, for V(note), V(proved), V(restore) and V(done). Without it only the lock is meant.
    type: path
  stage:
    description: How far the change has come, for V(note).
    type: str
    default: ''
  change:
    description: What is recorded, for V(begin). Without it only the lock is meant.
    type: dict
    suboptions:
      record:
        description: The folder of the record; an empty text for none.
        type: str
        required: true
      before:
        description:
          - What served before the change. Of Ollama C(release) and C(previous), C(version) and C(url) of what answers, C(had_server), and the C(releases)
            there. Of a web UI the C(id) of its container, its C(image) by identity, C(version) and C(url), C(data) with C(owner) and C(group), the archive
            that is C(saved), and the one that is put in the place of the data (C(restoring), C(restore_key)).
          - Where the version is empty and the URL is not, that is asked.
        type: dict
        required: true
      asked:
        description: The release that is asked for.
        type: str
        required: true
      paths:
        description: Links and files that the change may replace, in the order in which they are put back.
        type: list
        elements: str
        required: true
      task:
        description: Windows only. Name of the scheduled task whose definition is kept.
        type: str
      door:
        description: Windows only. Name of the firewall rule that is put back.
        type: str
      rule:
        description: Windows only. Its C(port) and C(addresses); null where it is not there.
        type: dict
      rights:
        description: Windows only. Owner and rights of the folder above the record, as SDDL, where it has not got them.
        type: str
  doing:
    description: What is done, for others who have to wait. Without it what O(of) names.
    type: str
    default: ''
  lock:
    description: >-
      The folder of the lock. Without it V(/run/llmfleet-change), on a Mac V(/var/run/llmfleet-change), for another O(of) with its name behind it.
    type: path
  holder:
    description: Who asks. The action fills it in.
    type: dict
    suboptions:
      token: {type: str, required: true, description: One run of Ansible.}
      who: {type: str, required: true, description: 'Who it is, for people.'}
      controller: {type: str, required: true, description: The machine it runs on.}
      process: {type: str, required: true, description: Its process there.}
      started: {type: str, required: true, description: When that was started.}
    required: true
  over:
    description: The token of a holder that is known to be gone. The action fills it in.
    type: str
    default: ''
attributes:
  check_mode:
    description: Takes nothing and writes nothing.
    support: full
  diff_mode:
    description: There is nothing to show.
    support: none
  idempotent:
    description: A record that is open stays what it is.
    support: full
  platform:
    description: Linux and macOS; Windows by the action.
    support: full
    platforms: posix
"""

EXAMPLES = r"""
- name: Take the host for this change
  llmfleet.ollama.host_change:
    state: begin
    change:
      record: /opt/ollama/.before
      asked: 0.32.15
      before: {release: 0.31.0, previous: '', version: 0.31.0, url: 'http://127.0.0.1:11434', had_server: true, releases: [0.31.0]}
      paths: [/opt/ollama/current, /etc/systemd/system/ollama.service]

- name: Let go of it
  llmfleet.ollama.host_change:
    state: done
    record: /opt/ollama/.before
"""

RETURN = r"""
record:
  description: What served before the change, as the record has it; null without one.
  returned: success
  type: dict
held:
  description: Who else changes the host.
  returned: failure, where somebody does
  type: dict
"""

import os
import platform

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.llmfleet.ollama.plugins.module_utils.change import lock, record
from ansible_collections.llmfleet.ollama.plugins.module_utils.look import common

CHANGE = {
    "record": {"type": "str", "required": True}, "before": {"type": "dict", "required": True}, "asked": {"type": "str", "required": True},
    "paths": {"type": "list", "elements": "str", "required": True}, "task": {"type": "str"}, "door": {"type": "str"}, "rule": {"type": "dict"},
    "rights": {"type": "str"},
}
BARE = {name: kind() for name, kind in record.BEFORE.items()}
TITLES = {"ollama": "Ollama", "open_webui": "Open WebUI", "model_mirror": "the model mirror"}


def before_of(given, of="ollama"):
    """What served, whole; an Ollama that listens elsewhere than where a look asks has not told its version."""
    found = {name: given.get(name, kind()) for name, kind in record.SHAPES[of].items()}
    if of == "ollama" and found["url"] and not found["version"]:
        try:
            found["version"] = str(common.get(found["url"], "/api/version", 5).get("version") or "")
        except common.Silent:
            # It is only not promised afterwards.
            pass
    return found


def act(wanted, now):
    """Says whether what serves was changed."""
    of, state, change = wanted["of"], wanted["state"], wanted["change"]
    folder = wanted["lock"] or lock.folder_of(platform.system(), of)
    me = dict(wanted["holder"], doing="%s %s" % (TITLES[of], change["asked"]) if change else wanted["doing"] or TITLES[of])
    if state == "done":
        try:
            if wanted["record"]:
                record.done(wanted["record"])
        finally:
            lock.free(folder, me["token"], now)
        return False
    if state in ("renew", "note", "proved"):
        every = [folder] if wanted["lock"] else [lock.folder_of(platform.system(), name) for name in record.SHAPES]
        for one in every:
            if os.path.isdir(one):
                lock.renew(one, me["token"], now)
        if state == "note":
            record.note(wanted["record"], wanted["stage"])
        elif state == "proved":
            record.done(wanted["record"])
        return False
    if state == "restore":
        lock.keep(folder, me, now, wanted["over"])
        return record.restore(wanted["record"])
    lock.take(folder, me, now, wanted["over"])
    if change and change["record"]:
        try:
            record.begin(change["record"], before_of(change["before"], of), change["asked"], me["who"], now.wall(), change["paths"], of)
        except OSError:
            # Nothing follows, so nobody has to wait.
            lock.free(folder, me["token"], now)
            raise
    return False


def main():
    module = AnsibleModule(
        argument_spec={
            "state": {"type": "str", "choices": ["begin", "renew", "note", "proved", "restore", "done"], "required": True},
            "of": {"type": "str", "choices": list(record.SHAPES), "default": "ollama"},
            "record": {"type": "path"},
            "stage": {"type": "str", "default": ""},
            "change": {"type": "dict", "options": CHANGE},
            "doing": {"type": "str", "default": ""},
            "lock": {"type": "path"},
            "holder": {"type": "dict", "options": lock.OPTIONS, "required": True},
            "over": {"type": "str", "default": ""},
        },
        supports_check_mode=True,
    )
    wanted, changed = module.params, False
    folder = wanted["record"] or (wanted["change"] or {}).get("record")
    try:
        if not module.check_mode:
            changed = act(wanted, common.clock())
        found = record.told(record.read(folder)) if folder else None
    except lock.Held as held:
        module.fail_json(msg=lock.words(held.holder), held=held.holder)
    except OSError as error:
        module.fail_json(msg="%s cannot be kept or put back: %s." % (error.filename or folder or wanted["lock"], error.strerror))
    module.exit_json(changed=changed, record=found)


if __name__ == "__main__":
    main()
