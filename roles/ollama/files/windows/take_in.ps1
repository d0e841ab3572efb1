# Copyright: (c) 2026, The llmfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Take an unpacked release in: signature and parts are checked where they lie, then the directory gets its final name.
# The name `<version>` therefore always means a whole release, also after a cut connection or a full disk.
param(
    [string]$Unpacked,
    [string]$Release,
    [string]$Publisher,
    [bool]$NeedsLlamaServer
)

$ErrorActionPreference = 'Stop'
$Ansible.Changed = $true

$binary = Join-Path -Path $Unpacked -ChildPath 'ollama.exe'
if (-not (Test-Path -LiteralPath $binary -PathType Leaf)) {
    throw "The archive holds no ollama.exe; $Unpacked was not taken in."
}
if ($NeedsLlamaServer -and -not (Get-ChildItem -LiteralPath $Unpacked -Recurse -Filter 'llama-server.exe')) {
    throw "The archive holds no llama-server.exe, without which this version loads no model; $Unpacked was not taken in."
}
if ($Publisher) {
    $signature = Get-AuthenticodeSignature -LiteralPath $binary
    $subject = [string]$signature.SignerCertificate.Subject
    $expected = '(^|, )O="?' + [regex]::Escape($Publisher) + '"?(,|$)'
    if (($signature.Status -ne 'Valid') -or ($subject -notmatch $expected)) {
        throw "ollama.exe is not signed by $Publisher (status $($signature.Status), subject '$subject'); $Unpacked was not taken in."
    }
}
# A virus scanner holds what was just unpacked for a while.
$deadline = (Get-Date).AddSeconds(60)
while ($true) {
    try {
        [IO.Directory]::Move($Unpacked, $Release)
        break
    }
    catch {
        if ((Get-Date) -ge $deadline) {
            throw
        }
        Start-Sleep -Seconds 2
    }
}
$Ansible.Result = @{ release = $Release }
