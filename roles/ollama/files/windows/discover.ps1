# Copyright: (c) 2026, The llmfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Everything that the role must know of a Windows host, in one run: a module run costs seconds there.
# Reads only. It takes no decision: what is seen is compared with what is wanted on the controller.
param(
    [string]$InstallDir,
    [string]$ModelsDir,
    [string]$Account,
    [string]$TaskName,
    [string]$RuleName,
    [int]$Port,
    [string]$ApiUrl,
    [string[]]$Names
)

$Ansible.Changed = $false
$ErrorActionPreference = 'Stop'

function Get-Place([string]$Path) {
    # Drive and free space of a path that need not exist yet.
    $root = [IO.Path]::GetPathRoot($Path)
    $drive = $null
    if ($root -match '^[A-Za-z]:\\$') {
        $drive = New-Object -TypeName IO.DriveInfo -ArgumentList $root
    }
    # A mapped drive belongs to one login; the service has none.
    $ready = ($null -ne $drive) -and $drive.IsReady -and ($drive.DriveType -ne 'Network')
    $free = $null
    $format = $null
    if ($ready) {
        $free = $drive.AvailableFreeSpace
        $format = $drive.DriveFormat
    }
    @{
        drive_ready = $ready
        free_bytes = $free
        format = $format
        exists = Test-Path -LiteralPath $Path -PathType Container
    }
}

function Get-OtherStore([string]$Launcher, [string]$ModelsDir) {
    # Where the service keeps its models now, if that holds some and is not where they shall be.
    if (-not (Test-Path -LiteralPath $Launcher -PathType Leaf)) {
        return $null
    }
    $setting = '^set "OLLAMA_MODELS=(.+)"$'
    $line = Get-Content -LiteralPath $Launcher | Where-Object { $_ -match $setting } | Select-Object -First 1
    $path = ([string]$line -replace $setting, '$1').Replace('%%', '%')
    if ((-not $path) -or ($path -eq $ModelsDir)) {
        return $null
    }
    $blobs = @(Get-ChildItem -LiteralPath "$path\blobs" -Filter 'sha256-*' -File -ErrorAction SilentlyContinue)
    if (-not $blobs) {
        return $null
    }
    @{ path = $path; bytes = [long]($blobs | Measure-Object -Property Length -Sum).Sum }
}

function Resolve-Address([string]$Name) {
    try {
        [Net.Dns]::GetHostAddresses($Name) | ForEach-Object { $_.IPAddressToString -replace '%.*$', '' }
    }
    catch {
        # A name that nobody knows admits nobody.
        return
    }
}

function Get-FileSha([string]$Path) {
    if (Test-Path -LiteralPath $Path -PathType Leaf) {
        (Get-FileHash -LiteralPath $Path -Algorithm SHA256).Hash.ToLowerInvariant()
    }
}

function ConvertTo-Sid([string]$Name) {
    # Names are translated on a localised Windows, the number is not.
    if ($Name -match '^S-1-') {
        return $Name
    }
    try {
        $ntAccount = New-Object -TypeName Security.Principal.NTAccount -ArgumentList $Name
        $ntAccount.Translate([Security.Principal.SecurityIdentifier]).Value
    }
    catch {
        $Name
    }
}

function Test-Grant([string]$Path, [string]$Sid, [Security.AccessControl.FileSystemRights]$Right) {
    # True when the account itself is named with at least this right.
    if (-not (Test-Path -LiteralPath $Path)) {
        return $false
    }
    # exFAT has no rights to read; the role refuses it by its name.
    $acl = Get-Acl -LiteralPath $Path -ErrorAction SilentlyContinue
    if (-not $acl) {
        return $false
    }
    $rules = $acl.GetAccessRules($true, $true, [Security.Principal.SecurityIdentifier])
    foreach ($rule in $rules) {
        $named = $rule.IdentityReference.Value -eq $Sid
        $allows = $rule.AccessControlType -eq 'Allow'
        if ($named -and $allows -and (($rule.FileSystemRights -band $Right) -eq $Right)) {
            return $true
        }
    }
    $false
}

function Test-Protected([string]$Path) {
    # A directory in the root of a drive lets every user add files until inheritance is cut.
    $acl = Get-Acl -LiteralPath $Path -ErrorAction SilentlyContinue
    ($null -ne $acl) -and $acl.AreAccessRulesProtected
}

function Test-Ours([string]$Path) {
    # Closed, and by an administrator: every user may make a directory in the root of a drive, and its owner may do with it as he likes.
    if (-not (Test-Protected $Path)) {
        return $false
    }
    $owner = (Get-Acl -LiteralPath $Path).GetOwner([Security.Principal.SecurityIdentifier]).Value
    @('S-1-5-18', 'S-1-5-32-544') -contains $owner
}

function Get-DoorRule([string]$Name) {
    # The COM interface answers at once; Get-NetFirewallRule takes seconds for each of its filters.
    $policy = New-Object -ComObject HNetCfg.FwPolicy2
    $off = @()
    foreach ($bit in @(1, 2, 4)) {
        if (-not $policy.FirewallEnabled($bit)) {
            $off += @{ 1 = 'domain'; 2 = 'private'; 4 = 'public' }[$bit]
        }
    }
    $rule = $null
    $found = $policy.Rules | Where-Object { $_.Name -eq $Name } | Select-Object -First 1
    if ($found) {
        $addresses = foreach ($address in ([string]$found.RemoteAddresses -split ',')) {
            # 10.0.0.0/255.0.0.0 is how Windows gives back 10.0.0.0/8
            $network, $mask = $address -split '/', 2
            if ($mask -match '\.') {
                $bits = ($mask -split '\.' | ForEach-Object { [Convert]::ToString([int]$_, 2) }) -join ''
                $mask = ($bits -replace '0', '').Length
            }
            if ($mask) { "$network/$mask" } else { $network }
        }
        $rule = @{
            enabled = [bool]$found.Enabled
            inbound = ($found.Direction -eq 1)
            allow = ($found.Action -eq 1)
            tcp = ($found.Protocol -eq 6)
            port = [string]$found.LocalPorts
            addresses = @($addresses)
        }
    }
    @{ off = @($off); rule = $rule }
}

function Get-ServiceTask([string]$Name) {
    $task = Get-ScheduledTask -TaskName $Name -TaskPath '\llmfleet\' -ErrorAction SilentlyContinue
    if (-not $task) {
        return $null
    }
    $triggers = foreach ($trigger in $task.Triggers) {
        $interval = [string]$trigger.Repetition.Interval
        (($trigger.CimClass.CimClassName -replace '^MSFT_Task|Trigger$', '').ToLowerInvariant() + ' ' + $interval).Trim()
    }
    @{
        execute = [string]$task.Actions[0].Execute
        arguments = [string]$task.Actions[0].Arguments
        account = ConvertTo-Sid $task.Principal.UserId
        triggers = @($triggers)
        instances = [string]$task.Settings.MultipleInstances
        limit = [string]$task.Settings.ExecutionTimeLimit
        batteries = [bool]$task.Settings.DisallowStartIfOnBatteries
        priority = [int]$task.Settings.Priority
        enabled = [bool]$task.Settings.Enabled
        state = [string]$task.State
    }
}

function Get-PortOwner([int]$Number, [string]$Ours) {
    # Another program that listens on our port, by name.
    $listeners = @(Get-NetTCPConnection -State Listen -LocalPort $Number -ErrorAction SilentlyContinue)
    foreach ($listener in $listeners) {
        $process = Get-Process -Id $listener.OwningProcess -ErrorAction SilentlyContinue
        $path = [string]$process.Path
        if (-not $path.StartsWith($Ours + '\', [StringComparison]::OrdinalIgnoreCase)) {
            return [string]$process.Name
        }
    }
}

function Test-PortExcluded([int]$Number) {
    # Hyper-V and WinNAT keep ranges of ports for themselves; a bind in one of them is refused.
    foreach ($line in (& "$env:SystemRoot\System32\netsh.exe" int ipv4 show excludedportrange protocol=tcp)) {
        if ($line -match '^\s*(\d+)\s+(\d+)\s*$') {
            if (([int]$Matches[1] -le $Number) -and ($Number -le [int]$Matches[2])) {
                return $true
            }
        }
    }
    $false
}

function Get-DesktopApp {
    # The installer of the app is for one user each; every profile is looked at.
    $profiles = Get-ChildItem -Path 'HKLM:\SOFTWARE\Microsoft\Windows NT\CurrentVersion\ProfileList'
    foreach ($entry in $profiles) {
        $folder = [string]$entry.GetValue('ProfileImagePath')
        if ($folder) {
            $app = Join-Path -Path $folder -ChildPath 'AppData\Local\Programs\Ollama\ollama app.exe'
            if (Test-Path -LiteralPath $app) {
                return $app
            }
        }
    }
    # Installed elsewhere with /DIR, but open.
    $running = Get-Process -Name 'ollama app' -ErrorAction SilentlyContinue | Select-Object -First 1
    if ($running) {
        return [string]$running.Path
    }
}

function Get-ApiVersion([string]$Url) {
    $request = [Net.HttpWebRequest]::Create($Url)
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
        # Nobody listens, or it isn't Ollama: both mean that no version answers.
        return $null
    }
}

$identity = [Security.Principal.WindowsIdentity]::GetCurrent()
$principal = New-Object -TypeName Security.Principal.WindowsPrincipal -ArgumentList $identity
if (-not $principal.IsInRole([Security.Principal.WindowsBuiltInRole]::Administrator)) {
    # WMI refuses others over the network, with an error that does not say so.
    $Ansible.Result = @{ is_admin = $false }
    return
}

$sid = ConvertTo-Sid $Account
$current = Get-Item -LiteralPath (Join-Path -Path $InstallDir -ChildPath 'current') -Force -ErrorAction SilentlyContinue
$target = $null
if ($current) {
    $target = [string]@($current.Target)[0]
}
$releases = @(
    Get-ChildItem -LiteralPath $InstallDir -ErrorAction SilentlyContinue |
        Where-Object { $_.Name -match '^\d' } |
        ForEach-Object { $_.Name }
)
$system = Get-CimInstance -ClassName Win32_OperatingSystem
$door = Get-DoorRule $RuleName
$vendors = @{ '10DE' = 'nvidia'; '1002' = 'amd'; '8086' = 'intel' }
$accelerators = @(
    Get-CimInstance -ClassName Win32_VideoController |
        Where-Object { [string]$_.PNPDeviceID -match 'VEN_(10DE|1002|8086)' } |
        ForEach-Object { $vendors[$Matches[1]] } |
        Sort-Object -Unique
)
$machinePath = [string][Environment]::GetEnvironmentVariable('Path', 'Machine')

$Ansible.Result = @{
    is_admin = $true
    os_name = [string]$system.Caption
    os_build = [int]$system.BuildNumber
    is_server = ($system.ProductType -ne 1)
    architecture = [string]$env:PROCESSOR_ARCHITECTURE
    accelerators = $accelerators
    resolved = @($Names | Where-Object { $_ } | ForEach-Object { Resolve-Address $_ } | Sort-Object -Unique)
    install = Get-Place $InstallDir
    models = Get-Place $ModelsDir
    other_store = Get-OtherStore (Join-Path -Path $InstallDir -ChildPath 'service\serve.cmd') $ModelsDir
    releases = $releases
    current = $target
    protected = Test-Ours $InstallDir
    service_protected = Test-Protected (Join-Path -Path $InstallDir -ChildPath 'service')
    home_granted = Test-Grant (Join-Path -Path $InstallDir -ChildPath 'home') $sid 'Modify'
    logs_granted = Test-Grant (Join-Path -Path $InstallDir -ChildPath 'logs') $sid 'Modify'
    models_granted = Test-Grant $ModelsDir $sid 'Modify'
    launcher_sha256 = Get-FileSha (Join-Path -Path $InstallDir -ChildPath 'service\serve.cmd')
    task = Get-ServiceTask $TaskName
    rule = $door.rule
    firewall_off = $door.off
    machine_ollama_host = [Environment]::GetEnvironmentVariable('OLLAMA_HOST', 'Machine')
    on_path = ($machinePath -split ';') -contains (Join-Path -Path $InstallDir -ChildPath 'current')
    desktop_app = Get-DesktopApp
    port_owner = Get-PortOwner $Port $InstallDir
    port_excluded = Test-PortExcluded $Port
    version = Get-ApiVersion $ApiUrl
}
