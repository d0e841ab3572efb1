# Copyright: (c) 2026, The llmfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Run the whole look under Windows PowerShell without a controller: a small stand-in takes the place of Ansible.Basic and prints the
# result as JSON, for tests/check_look.py to check.

param([Parameter(Mandatory)][String]$OutFile)

Set-StrictMode -Version Latest
$ErrorActionPreference = 'Stop'
Add-Type -TypeDefinition @'
using System.Collections;
namespace Ansible.Basic {
    public class AnsibleModule {
        public Hashtable Params = new Hashtable();
        public Hashtable Result = new Hashtable();
        public static AnsibleModule Last;
        public static object[] Questions;
        public static AnsibleModule Create(object[] arguments, IDictionary spec) {
            Last = new AnsibleModule();
            foreach (DictionaryEntry option in (IDictionary)spec["options"])
                Last.Params[option.Key] = ((IDictionary)option.Value)["default"];
            Last.Params["questions"] = Questions;
            return Last;
        }
        public void ExitJson() { }
        public void FailJson(string message) { throw new System.Exception(message); }
    }
}
'@
[Ansible.Basic.AnsibleModule]::Questions = @(
    @{
        system = 'windows'; user = 'S-1-5-19'; port = 11434; url = 'http://127.0.0.1:11434'; install_dir = 'C:\ollama'
        models_dir = 'C:\ollama\models'; service = 'ollama'; door = 'llmfleet ollama'; settings = 'C:\ollama\service\serve.cmd'
        moving = 'C:\ollama\.moving'; record = 'C:\ollama\.before'; paths = @('C:\Windows', 'C:\Windows\win.ini', 'C:\Documents and Settings', 'C:\nowhere')
        names = @('localhost', 'no-such-name.invalid'); tools = @('netsh.exe', 'no-such-program')
    }
)
Import-Module -Name (Join-Path -Path $PSScriptRoot -ChildPath '..\..\plugins\module_utils\HostChange.psm1')
Import-Module -Name (Join-Path -Path $PSScriptRoot -ChildPath '..\..\plugins\module_utils\VramProbe.psm1')
. (Join-Path -Path $PSScriptRoot -ChildPath '..\..\plugins\modules\win_look_probe.ps1')
$json = ConvertTo-Json -InputObject ([Ansible.Basic.AnsibleModule]::Last.Result.look) -Depth 12
[System.IO.File]::WriteAllText($OutFile, $json)
