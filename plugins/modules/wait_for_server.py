#!/usr/bin/python
# Copyright: (c) 2026, The llmfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: wait_for_server
short_description: Wait until a server that was just started answers, and no longer than it can
version_added: 0.1.0
description:
  - Asks an address of the host until it answers with status 200, and with the wanted version where one is given.
  - Ends at once where systemd says that the server has failed, or starts it again and again.
  - Waits inside one module run, where C(until) of a task prints a line for each try and each host.
author:
  - llmfleet authors (@llmfleet)
extends_documentation_fragment: [llmfleet.ollama.read_only]
options:
  url:
    description: What to ask. No proxy is used.
    type: str
    required: true
  version:
    description: The C(version) that the JSON of the answer must name. Without it, any answer with status 200 will do.
    type: str
    default: ""
  seconds:
    description: How long to wait; V(0) asks once.
    type: int
    default: 60
  unit:
    description: Name of the server's systemd unit.
    type: str
    default: ""
"""

EXAMPLES = r"""
- name: Wait for the wanted release
  llmfleet.ollama.wait_for_server:
    url: http://127.0.0.1:11434/api/version
    version: 0.32.15
    unit: ollama.service
"""

RETURN = r"""
status:
  description: HTTP status of the last answer; V(0) when nobody has answered.
  returned: always
  type: int
version:
  description: The version that the last answer names; empty when it names none.
  returned: always
  type: str
ended:
  description: How often the server has ended since the wait began, as far as O(unit) tells.
  returned: always
  type: int
seconds:
  description: How long the wait took.
  returned: always
  type: int
"""

import http.client
import json
import subprocess
import time
import urllib.error

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.urls import open_url

# So often a server may be started again before it is called hopeless: one that lost a race for its port comes up at the second try.
RESTARTS = 3
ASK_SECONDS = 5
MAX_BODY = 1 << 16


class Wait:
    def __init__(self, url, version, seconds, unit, sleep=time.sleep, clock=time.monotonic):
        self.url, self.wanted, self.seconds, self.unit = url, version, seconds, unit
        self.sleep, self.clock = sleep, clock
        self.status, self.version, self.why = 0, "", ""
        self.ended, self.failed = 0, False
        self._restarts = None

    def run(self):
        """None when the server answers as it shall, else why it does not."""
        begun = self.clock()
        while True:
            if self._answers():
                return None
            self._look_at_unit()
            took = int(self.clock() - begun)
            if self.failed or self.ended >= RESTARTS:
                how = "has failed and is not started again" if self.failed else "has ended %d times within %d s" % (self.ended, max(1, took))
                return "%s %s, so nothing answers at %s" % (self.unit, how, self.url)
            if took >= self.seconds:
                return self._words()
            self.sleep(1)

    def _words(self):
        if self.version:
            return "%s answers with version %s instead of %s" % (self.url, self.version, self.wanted)
        if self.status:
            return "%s answers with status %d%s" % (self.url, self.status, " and names no version" if self.status == 200 else "")
        return "%s did not answer within %d s (%s)" % (self.url, self.seconds, self.why)

    def _answers(self):
        self.status, self.version = 0, ""
        try:
            with open_url(self.url, timeout=ASK_SECONDS, use_proxy=False) as answer:
                self.status = answer.status
                body = answer.read(MAX_BODY)
        except urllib.error.HTTPError as error:
            self.status = error.code
            return False
        except (OSError, http.client.HTTPException) as error:
            self.why = str(getattr(error, "reason", "") or error)
            return False
        try:
            self.version = str(json.loads(body.decode("utf-8"))["version"])
        except (ValueError, KeyError, TypeError):
            self.version = ""
        return self.status == 200 and self.wanted in ("", self.version)

    def _look_at_unit(self):
        if not self.unit:
            return
        command = ["systemctl", "show", "--property", "NRestarts,ActiveState", self.unit]
        try:
            told = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, timeout=10, check=False).stdout.decode("utf-8", "replace")
        except (OSError, subprocess.TimeoutExpired):
            return
        properties = dict(line.partition("=")[::2] for line in told.splitlines())
        # systemd gives up by itself where the unit says how often is too often, or that it is not started again at all.
        self.failed = properties.get("ActiveState") == "failed"
        if properties.get("NRestarts", "").isdigit():
            restarts = int(properties["NRestarts"])
            if self._restarts is None or restarts < self._restarts:
                self._restarts = restarts
            self.ended = restarts - self._restarts + (1 if self.failed else 0)


def main():
    module = AnsibleModule(
        argument_spec={
            "url": {"type": "str", "required": True},
            "version": {"type": "str", "default": ""},
            "seconds": {"type": "int", "default": 60},
            "unit": {"type": "str", "default": ""},
        },
        supports_check_mode=True,
    )
    begun = time.monotonic()
    wait = Wait(**module.params)
    why = wait.run()
    result = {"status": wait.status, "version": wait.version, "ended": wait.ended, "seconds": int(time.monotonic() - begun)}
    if why:
        module.fail_json(msg=why, **result)
    module.exit_json(changed=False, **result)


if __name__ == "__main__":
    main()
