# Copyright: (c) 2026, The llmfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What every stub does: refuse options that the real module does not have, and let the simulated host act."""

from __future__ import annotations

import json

from ansible.module_utils.common.arg_spec import ArgumentSpecValidator
from ansible.plugins.action import ActionBase
from ansible_collections.llmfleet_stubs.host.plugins.plugin_utils.macos import MacOS
from ansible_collections.llmfleet_stubs.host.plugins.plugin_utils.windows import Windows

HOSTS = {"windows": Windows, "macos": MacOS}


def pruned(value):
    """Suboptions that were not given are None after validation; the record leaves them out."""
    if isinstance(value, dict):
        return {key: pruned(item) for key, item in value.items() if item is not None}
    if isinstance(value, list):
        return [pruned(item) for item in value]
    return value


class Stub(ActionBase):
    _supports_check_mode = True

    def run(self, tmp=None, task_vars=None):
        super().run(tmp, task_vars)
        given = json.loads(json.dumps(self._task.args))
        checked = ArgumentSpecValidator(self.SPEC).validate(given)
        if checked.error_messages:
            return {"failed": True, "msg": f"{self.NAME}: {'; '.join(checked.error_messages)}"}
        args = checked.validated_parameters
        told = {
            key: pruned(value) for key, value in args.items() if value is not None and value != self.SPEC.get(key, {}).get("default")
        }
        host = HOSTS[task_vars["stub_platform"]](self._templar.template(task_vars["stub_state"]), self._task.check_mode)
        try:
            # At -vvv older cores show the arguments of every module, less those that the module itself hides.
            shown = {key: value for key, value in given.items() if not key.endswith("_password")}
            return {**host.call(self.NAME, args, told), "invocation": {"module_args": shown}}
        finally:
            host.close()
