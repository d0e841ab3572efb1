# Copyright: (c) 2026, The llmfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Fixtures: one fake Open WebUI for each test, and a way to run the module against it as Ansible does."""

from __future__ import annotations

import json

import pytest
from ansible.module_utils import basic
from ansible.module_utils.common.parameters import PASS_VARS
from ansible.module_utils.testing import patch_module_args
from ansible_collections.llmfleet.ollama.plugins.modules import open_webui_config

from support.fake_open_webui import FakeOpenWebui


@pytest.fixture
def webui():
    server = FakeOpenWebui()
    yield server
    server.stop()


@pytest.fixture
def configure(webui, capsys):
    """configure(**options, check=False, diff=True) -> the module's result; `configure.printed` is its whole output."""

    def run(check=False, **options):
        arguments = {"url": webui.url, "admin_email": "admin@x.org", "admin_password": "the admin's password", "timeout": 5, **options}
        arguments.update(_ansible_check_mode=check, _ansible_diff=True)
        # As -vvv shows it; ansible-core before 2.21 always gives the invocation and knows no such option.
        if "inject_invocation" in PASS_VARS:
            arguments["_ansible_inject_invocation"] = True
        webui.calls.clear()
        # Values that must not be shown are kept by the process, which serves many tests here.
        basic._PARSED_MODULE_ARGS = None
        with patch_module_args(arguments), pytest.raises(SystemExit):
            open_webui_config.main()
        configure_output = capsys.readouterr().out
        run.printed = configure_output
        return json.loads(configure_output)

    return run
