# Copyright: (c) 2026, The llmfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# What a Windows host tells of a change that was begun and not ended, for win_look_probe and win_host_change. It is judged on the controller.

function Get-HolderKey {
    # Not kept on the disk: a start of the machine empties it, as it empties /run elsewhere.
    'SOFTWARE\llmfleet-change'
}

function Get-HolderText {
    # Who changes this host now, as that one has written it down; nothing where nobody does.
    $machine = [Microsoft.Win32.RegistryKey]::OpenBaseKey([Microsoft.Win32.RegistryHive]::LocalMachine, [Microsoft.Win32.RegistryView]::Registry64)
    $key = $machine.OpenSubKey((Get-HolderKey))
    if ($key) {
        try {
            [String]$key.GetValue('holder', '')
        }
        finally {
            $key.Close()
        }
    }
}

function Get-HostClock {
    # since_start counts from the start of the machine on, also while that sleeps, and nobody sets it. now is for people.
    $epoch = New-Object -TypeName DateTime -ArgumentList 1970, 1, 1
    @{
        since_start = [Int64][Math]::Floor([Diagnostics.Stopwatch]::GetTimestamp() / [Diagnostics.Stopwatch]::Frequency)
        now = [Int64][Math]::Floor(([DateTime]::UtcNow - $epoch).TotalSeconds)
    }
}

function Get-Entry {
    # One path as it is itself, not what a link leads to.
    param([String]$Path)

    Get-Item -LiteralPath $Path -Force -ErrorAction SilentlyContinue
}

function Test-Closed {
    # A folder, no link, that belongs to SYSTEM or the administrators, and that nobody else may enter.
    param([String]$Path)

    $item = Get-Entry $Path
    if ((-not $item) -or (-not $item.PSIsContainer) -or ($item.Attributes -band [IO.FileAttributes]::ReparsePoint)) {
        return $false
    }
    $acl = Get-Acl -LiteralPath $Path
    $named = @($acl.GetOwner([Security.Principal.SecurityIdentifier]).Value)
    $named += @($acl.GetAccessRules($true, $true, [Security.Principal.SecurityIdentifier]) | ForEach-Object { $_.IdentityReference.Value })
    $others = @($named | Where-Object { @('S-1-5-18', 'S-1-5-32-544') -notcontains $_ })
    $acl.AreAccessRulesProtected -and ($others.Count -eq 0)
}

function Get-RecordText {
    # What others could have written is no record.
    param([String]$Folder)

    if ((-not $Folder) -or (-not (Test-Closed $Folder))) {
        return
    }
    $item = Get-Entry (Join-Path -Path $Folder -ChildPath 'record.json')
    if ($item -and (-not $item.PSIsContainer) -and ($item.Length -le 1000000)) {
        [IO.File]::ReadAllText($item.FullName)
    }
}

Export-ModuleMember -Function @('Get-HolderKey', 'Get-HolderText', 'Get-HostClock', 'Get-Entry', 'Test-Closed', 'Get-RecordText')
