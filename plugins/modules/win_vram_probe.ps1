#!powershell

# Copyright: (c) 2026, The llmfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

#AnsibleRequires -CSharpUtil Ansible.Basic
#AnsibleRequires -PowerShell ..module_utils.VramProbe

$spec = @{
    options = @{
        timeout = @{ type = 'int'; default = 20 }
        gather = @{
            type = 'list'; elements = 'str'
            choices = 'nvidia', 'amd', 'intel', 'apple', 'system'
            default = 'nvidia', 'amd', 'intel', 'apple', 'system'
        }
        topology = @{ type = 'bool'; default = $false }
        allow_cli = @{ type = 'bool'; default = $true }
        filesystems = @{ type = 'list'; elements = 'str'; default = @() }
    }
    supports_check_mode = $true
}
$module = [Ansible.Basic.AnsibleModule]::Create($args, $spec)

$module.Result.changed = $false
$module.Result.observation = Get-VramObservation -Options $module.Params
$module.ExitJson()
