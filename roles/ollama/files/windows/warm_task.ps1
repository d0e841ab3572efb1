# Copyright: (c) 2026, The llmfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Have the task that loads the models which stay in memory, with its program and list, or have it not.
param(
    [string]$TaskName,
    [string]$Program,
    [string]$ProgramText,
    [string]$List,
    [string]$ListText,
    [string]$Account
)

$ErrorActionPreference = 'Stop'
$Ansible.Changed = $true
if (-not $ListText) {
    Get-ScheduledTask -TaskPath '\llmfleet\' -TaskName $TaskName -ErrorAction SilentlyContinue | Unregister-ScheduledTask -Confirm:$false
    foreach ($path in $Program, $List) {
        if (Test-Path -LiteralPath $path) {
            Remove-Item -LiteralPath $path -Force
        }
    }
    return
}
$plain = New-Object -TypeName Text.UTF8Encoding -ArgumentList $false
[IO.File]::WriteAllText($Program, $ProgramText, $plain)
[IO.File]::WriteAllText($List, $ListText, $plain)
$shell = "$env:SystemRoot\System32\WindowsPowerShell\v1.0\powershell.exe"
$arguments = '-NoProfile -NonInteractive -ExecutionPolicy Bypass -File "{0}" -List "{1}"' -f $Program, $List
$action = New-ScheduledTaskAction -Execute $shell -Argument $arguments
$minute = New-ScheduledTaskTrigger -Once -At '2026-01-01T00:00:00' -RepetitionInterval (New-TimeSpan -Minutes 1)
$principal = New-ScheduledTaskPrincipal -UserId $Account -LogonType ServiceAccount
$settings = New-ScheduledTaskSettingsSet -MultipleInstances IgnoreNew -AllowStartIfOnBatteries -DontStopIfGoingOnBatteries
$task = New-ScheduledTask -Action $action -Trigger (New-ScheduledTaskTrigger -AtStartup), $minute -Principal $principal -Settings $settings
$null = Register-ScheduledTask -TaskPath '\llmfleet\' -TaskName $TaskName -InputObject $task -Force
Start-ScheduledTask -TaskPath '\llmfleet\' -TaskName $TaskName
