# Copyright: (c) 2026, The llmfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Wait until a server answers with its version (any version where none is wanted), inside one module run: a task that asks again and again
# prints a line for each try.
param(
    [string]$Url,
    [string]$Version,
    [int]$Seconds
)

$ErrorActionPreference = 'Stop'
$Ansible.Changed = $false

function Get-ApiVersion([string]$Address) {
    $request = [Net.HttpWebRequest]::Create($Address)
    $request.Proxy = $null
    $request.Timeout = 5000
    try {
        $response = $request.GetResponse()
        try {
            $reader = New-Object -TypeName IO.StreamReader -ArgumentList $response.GetResponseStream()
            return [string]($reader.ReadToEnd() | ConvertFrom-Json).version
        }
        finally {
            $response.Close()
        }
    }
    catch {
        # Nobody listens yet, or it isn't Ollama: both mean that no version answers.
        return ''
    }
}

$deadline = (Get-Date).AddSeconds($Seconds)
while ($true) {
    $found = Get-ApiVersion $Url
    if ($found -and ((-not $Version) -or ($found -eq $Version))) {
        break
    }
    if ((Get-Date) -ge $deadline) {
        $Ansible.Failed = $true
        break
    }
    Start-Sleep -Seconds 1
}
$Ansible.Result = @{ version = $found }
