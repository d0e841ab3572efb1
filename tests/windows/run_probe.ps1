# Copyright: (c) 2026, The llmfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Run the whole probe under Windows PowerShell without a controller: a small stand-in takes the place of Ansible.Basic and prints the
# result as JSON, for tests/check_observation.py to interpret.

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
        public static AnsibleModule Create(object[] arguments, IDictionary spec) {
            Last = new AnsibleModule();
            foreach (DictionaryEntry option in (IDictionary)spec["options"])
                Last.Params[option.Key] = ((IDictionary)option.Value)["default"];
            return Last;
        }
        public void ExitJson() { }
    }
}
'@
Import-Module -Name (Join-Path -Path $PSScriptRoot -ChildPath '..\..\plugins\module_utils\VramProbe.psm1')
. (Join-Path -Path $PSScriptRoot -ChildPath '..\..\plugins\modules\win_vram_probe.ps1')
$json = ConvertTo-Json -InputObject ([Ansible.Basic.AnsibleModule]::Last.Result.observation) -Depth 10
[System.IO.File]::WriteAllText($OutFile, $json)
