# Copyright: (c) 2026, The llmfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Stop the service, point `current` at a release, start the service: the only moment in which Ollama doesn't answer.
# Without -Release it only stops and removes the link. Killing by path reaches llama-server too, which outlives an ended task, and leaves
# programs of others alone.
param(
    [string]$InstallDir,
    [string]$TaskName,
    [string]$Release
)

$ErrorActionPreference = 'Stop'
$Ansible.Changed = $true

$task = Get-ScheduledTask -TaskName $TaskName -TaskPath '\llmfleet\' -ErrorAction SilentlyContinue
if ($task) {
    # Disabled first: its minute trigger would start the old server between the stop and the new link.
    $task | Disable-ScheduledTask | Out-Null
    $task | Stop-ScheduledTask
}
$inside = $InstallDir.TrimEnd('\') + '\'
$deadline = (Get-Date).AddSeconds(30)
do {
    # While the task counts as running, a start of it would be ignored.
    $running = $task -and ((Get-ScheduledTask -TaskName $TaskName -TaskPath '\llmfleet\').State -eq 'Running')
    $left = @(
        Get-CimInstance -ClassName Win32_Process |
            Where-Object { ([string]$_.ExecutablePath).StartsWith($inside, [StringComparison]::OrdinalIgnoreCase) }
    )
    foreach ($process in $left) {
        # It may be gone between the list and the stop.
        Stop-Process -Id $process.ProcessId -Force -ErrorAction SilentlyContinue
    }
    if ($left -or $running) {
        Start-Sleep -Milliseconds 500
    }
} while (($left -or $running) -and ((Get-Date) -lt $deadline))
if ($left) {
    throw "These programs of $InstallDir don't stop: $(($left | ForEach-Object { $_.Name } | Sort-Object -Unique) -join ', ')."
}

# For the message, should this be the end of a server that did not pass. The line with its environment may hold a password.
$log = Join-Path -Path $InstallDir -ChildPath 'logs\server.log'
$words = @()
if (Test-Path -LiteralPath $log) {
    $words = @(Get-Content -LiteralPath $log -Tail 15 | Where-Object { $_ -notmatch 'env=' } | Select-Object -Last 6 | ForEach-Object { [string]$_ })
}

$link = Join-Path -Path $InstallDir -ChildPath 'current'
if (Get-Item -LiteralPath $link -Force -ErrorAction SilentlyContinue) {
    # Deletes the junction itself; Remove-Item of Windows PowerShell 5.1 may go through it.
    [IO.Directory]::Delete($link, $false)
}
if ($Release) {
    New-Item -ItemType Junction -Path $link -Value (Join-Path -Path $InstallDir -ChildPath $Release) | Out-Null
    $task | Enable-ScheduledTask | Out-Null
    $task | Start-ScheduledTask
}
$Ansible.Result = @{ last_words = $words }
