#!powershell

# Copyright: (c) 2026, The llmfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

#AnsibleRequires -CSharpUtil Ansible.Basic
#AnsibleRequires -PowerShell ..module_utils.HostChange

# Tells and acts only: who may have the host, and what stands in the record, is decided on the controller (plugins/plugin_utils/windows_change.py).

$spec = @{
    options = @{
        swap = @{ type = 'bool'; default = $false }
        expect = @{ type = 'str'; default = '' }
        holder = @{ type = 'str'; default = '' }
        record = @{ type = 'str'; default = '' }
        paths = @{ type = 'list'; elements = 'str'; default = @() }
        act = @{ type = 'str'; choices = 'none', 'keep', 'tell', 'restore', 'remove'; default = 'none' }
        text = @{ type = 'str'; default = '' }
        kept = @{
            type = 'list'; elements = 'dict'; default = @()
            options = @{
                path = @{ type = 'str'; required = $true }
                copy = @{ type = 'str'; required = $true }
            }
        }
        missing = @{ type = 'list'; elements = 'str'; default = @() }
        task = @{ type = 'str'; default = '' }
        rule = @{ type = 'str'; default = '' }
        rule_port = @{ type = 'str'; default = '' }
        rule_addresses = @{ type = 'list'; elements = 'str'; default = @() }
        rights = @{ type = 'str'; default = '' }
    }
    supports_check_mode = $true
}
$module = [Ansible.Basic.AnsibleModule]::Create($args, $spec)
$ErrorActionPreference = 'Stop'
$module.Result.changed = $false
$module.Result.swapped = $false

$guard = Join-Path -Path $env:SystemRoot -ChildPath 'llmfleet-change.guard'
$taskPath = '\llmfleet\'
# Not the list of what is watched, which takes a privilege of its own.
$sections = [Security.AccessControl.AccessControlSections]'Owner, Group, Access'
$plain = New-Object -TypeName Text.UTF8Encoding -ArgumentList $false
$machine = [Microsoft.Win32.RegistryKey]::OpenBaseKey([Microsoft.Win32.RegistryHive]::LocalMachine, [Microsoft.Win32.RegistryView]::Registry64)
$keyName = Get-HolderKey

function Get-Security {
    # For a new thing of this kind: FileSecurity, DirectorySecurity or RegistrySecurity.
    param([String]$Kind, [String]$Text)

    $security = New-Object -TypeName "Security.AccessControl.$Kind"
    $security.SetSecurityDescriptorSddlForm($Text, $sections)
    $security
}

function Enter-Guard {
    # One reader and writer at a time. Only an administrator can open the file, so nobody else can keep it from us; it goes when it is closed.
    $security = Get-Security 'FileSecurity' 'O:BAG:BAD:P(A;;FA;;;SY)(A;;FA;;;BA)'
    $arguments = @(
        $guard, [IO.FileMode]::OpenOrCreate, [Security.AccessControl.FileSystemRights]::FullControl, [IO.FileShare]::None, 4096,
        [IO.FileOptions]::DeleteOnClose, $security
    )
    $watch = [Diagnostics.Stopwatch]::StartNew()
    while ($true) {
        try {
            return New-Object -TypeName IO.FileStream -ArgumentList $arguments
        }
        catch {
            if ($watch.Elapsed.TotalSeconds -gt 60) {
                throw
            }
            Start-Sleep -Milliseconds 100
        }
    }
}

function Save-Holder {
    param([String]$Text)

    if (-not $Text) {
        $machine.DeleteSubKey($keyName, $false)
        return
    }
    $security = Get-Security 'RegistrySecurity' 'O:BAG:BAD:P(A;;KA;;;SY)(A;;KA;;;BA)'
    $writable = [Microsoft.Win32.RegistryKeyPermissionCheck]::ReadWriteSubTree
    $key = $machine.CreateSubKey($keyName, $writable, [Microsoft.Win32.RegistryOptions]::Volatile, $security)
    try {
        $key.SetValue('holder', $Text, [Microsoft.Win32.RegistryValueKind]::String)
    }
    finally {
        $key.Close()
    }
}

function Clear-Folder {
    # Deletes links inside and not what they lead to; Remove-Item of Windows PowerShell 5.1 may go through them.
    param([String]$Path)

    if (-not (Get-Entry $Path)) {
        return
    }
    if (-not (Test-Closed $Path)) {
        throw "others than administrators could have made $Path; remove it"
    }
    $named = Join-Path -Path $Path -ChildPath 'record.json'
    if (Get-Entry $named) {
        # From here on it is none any more.
        [IO.File]::Delete($named)
    }
    [IO.Directory]::Delete($Path, $true)
}

function Write-Record {
    # For the disk and not only for memory, and under its name at once.
    param([String]$Folder, [String]$Text)

    $path = Join-Path -Path $Folder -ChildPath 'record.json'
    $bytes = $plain.GetBytes($Text)
    $stream = New-Object -TypeName IO.FileStream -ArgumentList "$path.new", ([IO.FileMode]::Create)
    try {
        $stream.Write($bytes, 0, $bytes.Length)
        $stream.Flush($true)
    }
    finally {
        $stream.Close()
    }
    if (Get-Entry $path) {
        [IO.File]::Replace("$path.new", $path, [NullString]::Value)
    }
    else {
        [IO.File]::Move("$path.new", $path)
    }
}

function Get-TaskText {
    param([String]$Name)

    $task = Get-ScheduledTask -TaskPath $taskPath -TaskName $Name -ErrorAction SilentlyContinue
    if ($task) {
        [String](Export-ScheduledTask -TaskPath $taskPath -TaskName $Name)
    }
}

function Close-Folder {
    # The folder above the record, with these rights at once: in the root of a drive every user may add files to a new one. From then on nobody else can
    # put anything there, so what is there by then is looked at last.
    param([String]$Path, [String]$Rights)

    $security = Get-Security 'DirectorySecurity' $Rights
    if (-not (Get-Entry $Path)) {
        $null = [IO.Directory]::CreateDirectory((Split-Path -Path $Path -Parent))
        $null = [IO.Directory]::CreateDirectory($Path, $security)
    }
    $item = Get-Entry $Path
    if ((-not $item.PSIsContainer) -or ($item.Attributes -band [IO.FileAttributes]::ReparsePoint)) {
        throw "$Path is no folder of its own; remove it"
    }
    $item.SetAccessControl($security)
    $theirs = '^(\d.*|current|service|home|logs|\.before.*|\.moving)$'
    $names = @(Get-ChildItem -LiteralPath $Path -Force | Where-Object { $_.Name -match $theirs } | ForEach-Object { $_.Name })
    if ($names) {
        throw "others than administrators may have put $($names -join ', ') into $Path; remove that or write another directory (ollama_install_dir)"
    }
}

function Save-Record {
    # Copies of what the change may replace, then the text that names them; it appears under its name whole.
    param([String]$Folder)

    if ($module.Params.rights) {
        Close-Folder (Split-Path -Path $Folder -Parent) $module.Params.rights
    }
    $new = "$Folder.new"
    Clear-Folder $new
    Clear-Folder $Folder
    $null = [IO.Directory]::CreateDirectory($new, (Get-Security 'DirectorySecurity' 'O:BAG:BAD:PAI(A;OICI;FA;;;SY)(A;OICI;FA;;;BA)'))
    if (-not (Test-Closed $new)) {
        throw "others than administrators may write to $new"
    }
    foreach ($row in $module.Params.kept) {
        [IO.File]::Copy($row.path, (Join-Path -Path $new -ChildPath $row.copy))
    }
    $task = Get-TaskText $module.Params.task
    if ($task) {
        [IO.File]::WriteAllText((Join-Path -Path $new -ChildPath 'task.xml'), $task, $plain)
    }
    Write-Record $new $module.Params.text
    [IO.Directory]::Move($new, $Folder)
}

function Restore-File {
    # What is as it was is not written. A file keeps the rights that it has; a new one has those of its folder.
    param([String]$Copy, [String]$Path)

    if (Get-Entry $Path) {
        $hashes = @($Copy, $Path | ForEach-Object { (Get-FileHash -LiteralPath $_ -Algorithm SHA256).Hash } | Select-Object -Unique)
        if ($hashes.Count -eq 1) {
            return
        }
    }
    [IO.File]::Copy($Copy, $Path, $true)
    $module.Result.changed = $true
}

function Restore-Task {
    param([String]$Name, [String]$Text)

    if ((Get-TaskText $Name) -ne $Text) {
        $null = Register-ScheduledTask -TaskPath $taskPath -TaskName $Name -Xml $Text -Force
        $module.Result.changed = $true
    }
}

function Restore-Rule {
    # The networks that the old server admitted, to its port.
    param([String]$Name, [String]$Port, [String[]]$Addresses)

    $policy = New-Object -ComObject HNetCfg.FwPolicy2
    if ($policy.Rules | Where-Object { $_.Name -eq $Name }) {
        $policy.Rules.Remove($Name)
    }
    if ($Port) {
        $rule = New-Object -ComObject HNetCfg.FWRule
        $rule.Name = $Name
        $rule.Description = 'Kept by Ansible (llmfleet.ollama.ollama)'
        $rule.Protocol = 6
        $rule.LocalPorts = $Port
        $rule.RemoteAddresses = $Addresses -join ','
        $rule.Direction = 1
        $rule.Action = 1
        $rule.Profiles = 7
        $rule.Enabled = $true
        $policy.Rules.Add($rule)
    }
    $module.Result.changed = $true
}

function Restore-Record {
    param([String]$Folder)

    if (-not (Get-RecordText $Folder)) {
        throw "there is no record of what served before in $Folder"
    }
    foreach ($row in $module.Params.kept) {
        Restore-File (Join-Path -Path $Folder -ChildPath $row.copy) $row.path
    }
    foreach ($path in $module.Params.missing) {
        $item = Get-Entry $path
        if ($item -and (-not $item.PSIsContainer)) {
            [IO.File]::Delete($path)
            $module.Result.changed = $true
        }
    }
    $task = Join-Path -Path $Folder -ChildPath 'task.xml'
    if (Get-Entry $task) {
        Restore-Task $module.Params.task ([IO.File]::ReadAllText($task))
    }
    if ($module.Params.rule) {
        Restore-Rule $module.Params.rule $module.Params.rule_port $module.Params.rule_addresses
    }
}

function Invoke-Act {
    $folder = $module.Params.record
    switch ($module.Params.act) {
        'keep' { Save-Record $folder }
        'tell' { Write-Record $folder $module.Params.text }
        'restore' { Restore-Record $folder }
        'remove' { Clear-Folder $folder }
    }
}

function Get-Found {
    # What lies at each path; a folder or a link is no file of ours, and no change replaces it.
    foreach ($path in $module.Params.paths) {
        $item = Get-Entry $path
        $kind = 'missing'
        if ($item) {
            $kind = 'file'
            if ($item.PSIsContainer -or ($item.Attributes -band [IO.FileAttributes]::ReparsePoint)) {
                $kind = 'other'
            }
        }
        @{ path = $path; kind = $kind }
    }
}

$identity = [Security.Principal.WindowsIdentity]::GetCurrent()
$principal = New-Object -TypeName Security.Principal.WindowsPrincipal -ArgumentList $identity
$module.Result.is_root = $principal.IsInRole([Security.Principal.WindowsBuiltInRole]::Administrator)
if ($module.Result.is_root) {
    $wrong = ''
    $stream = Enter-Guard
    try {
        if ($module.Params.swap -and (-not $module.CheckMode) -and ([String](Get-HolderText) -ceq $module.Params.expect)) {
            try {
                Invoke-Act
            }
            catch {
                $wrong = [String]$_.Exception.Message
            }
            # Who cannot go on keeps nobody out.
            if ((-not $wrong) -or (-not $module.Params.holder) -or ($module.Params.act -eq 'restore')) {
                Save-Holder $module.Params.holder
            }
            $module.Result.swapped = $true
        }
        $module.Result.holder = [String](Get-HolderText)
        $module.Result.record = [String](Get-RecordText $module.Params.record)
        $module.Result.found = @(Get-Found)
        $clock = Get-HostClock
        $module.Result.since_start = $clock.since_start
        $module.Result.now = $clock.now
    }
    finally {
        $stream.Close()
    }
    if ($wrong) {
        $module.FailJson("What served before cannot be kept or put back: $($wrong.TrimEnd('.')).")
    }
}
$module.ExitJson()
