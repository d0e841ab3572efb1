#!powershell

# Copyright: (c) 2026, The llmfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

#AnsibleRequires -CSharpUtil Ansible.Basic
#AnsibleRequires -PowerShell ..module_utils.HostChange
#AnsibleRequires -PowerShell ..module_utils.VramProbe

# Collects only, in the words of plugins/plugin_utils/look_schema.py: what is seen is compared with what is wanted on the controller.

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
        questions = @{
            type = 'list'; elements = 'dict'; required = $true
            options = @{
                system = @{ type = 'str'; choices = 'linux', 'macos', 'windows'; required = $true }
                user = @{ type = 'str'; required = $true }
                port = @{ type = 'int'; required = $true }
                url = @{ type = 'str'; required = $true }
                install_dir = @{ type = 'str'; required = $true }
                models_dir = @{ type = 'str'; required = $true }
                service = @{ type = 'str'; required = $true }
                door = @{ type = 'str'; required = $true }
                settings = @{ type = 'str'; required = $true }
                moving = @{ type = 'str'; required = $true }
                paths = @{ type = 'list'; elements = 'str'; default = @() }
                names = @{ type = 'list'; elements = 'str'; default = @() }
                tools = @{ type = 'list'; elements = 'str'; default = @() }
                record = @{ type = 'str'; default = '' }
            }
        }
        proofs_path = @{ type = 'str' }
    }
    supports_check_mode = $true
}
$module = [Ansible.Basic.AnsibleModule]::Create($args, $spec)
$ErrorActionPreference = 'Stop'
$module.Result.changed = $false
$question = @($module.Params.questions | Where-Object { $_.system -eq 'windows' })[0]
if (-not $question) {
    $asked = @($module.Params.questions | ForEach-Object { $_.system }) -join ' or '
    $module.FailJson("This host runs Windows, and was asked only what $asked tells; take it out of the group, or ask that of it.")
}
$watch = [System.Diagnostics.Stopwatch]::StartNew()
$failed = New-Object System.Collections.ArrayList
# A file of ours has a few kilobytes; the content of a longer one is not read.
$largestFile = 1000000
# /api/tags of a thousand models is about 500 kB.
$largestAnswer = 4194304

function Read-Field {
    # Run one reader. What it throws is told, what it owes is null, and the next one has its turn.
    # The reader sees these two variables before those of the script: no reader has any of that name.
    param([String]$LookField, [ScriptBlock]$LookReader)

    if ($watch.ElapsedMilliseconds -ge [Math]::Max($module.Params.timeout, 1) * 1000) {
        $null = $failed.Add(@{ field = $LookField; why = 'no time was left' })
        return
    }
    try {
        & $LookReader
    }
    catch {
        $null = $failed.Add(@{ field = $LookField; why = [String]$_.Exception.Message })
    }
}

function Get-UnixTime {
    param([DateTime]$Time)

    [Int64][Math]::Max(0, [Math]::Floor(($Time - (New-Object -TypeName DateTime -ArgumentList 1970, 1, 1)).TotalSeconds))
}

function Test-Link {
    # A junction or a symbolic link. A file with two names is called a link as well, and is none.
    param($Item)

    @('Junction', 'SymbolicLink') -contains [String]$Item.LinkType
}

function Test-Grant {
    # True when the account itself is named with at least this right.
    param($Acl, [String]$Sid, [Security.AccessControl.FileSystemRights]$Right)

    foreach ($rule in $Acl.GetAccessRules($true, $true, [Security.Principal.SecurityIdentifier])) {
        $named = $rule.IdentityReference.Value -eq $Sid
        $allows = $rule.AccessControlType -eq 'Allow'
        if ($named -and $allows -and (($rule.FileSystemRights -band $Right) -eq $Right)) {
            return $true
        }
    }
    $false
}

function Get-FileEntry {
    # One path as it is itself, not what a link leads to.
    param([String]$Path, [String]$Sid)

    $item = Get-Item -LiteralPath $Path -Force -ErrorAction SilentlyContinue
    if (-not $item) {
        return
    }
    $entry = @{
        path = $Path; kind = 'file'; mode = $null; owner = $null; group = $null; sha256 = $null; target = $null
        changed_at = Get-UnixTime $item.LastWriteTimeUtc; size_bytes = $null; ours = $null; protected = $false; granted = $false
    }
    if (Test-Link $item) {
        $entry.kind = 'link'
        $entry.target = [String]@($item.Target)[0]
    }
    elseif ($item.PSIsContainer) {
        $entry.kind = 'directory'
    }
    else {
        $entry.size_bytes = [Int64]$item.Length
        if ($item.Length -lt $largestFile) {
            $entry.sha256 = (Get-FileHash -LiteralPath $Path -Algorithm SHA256).Hash.ToLowerInvariant()
        }
    }
    # exFAT has no rights to read; the decision refuses it by its name.
    $acl = Get-Acl -LiteralPath $Path -ErrorAction SilentlyContinue
    if ($acl) {
        $entry.owner = $acl.GetOwner([Security.Principal.SecurityIdentifier]).Value
        $entry.protected = [Boolean]$acl.AreAccessRulesProtected
        $entry.granted = Test-Grant $acl $Sid 'Modify'
    }
    $entry
}

function Get-Place {
    # Drive and free space of a path that need not exist yet.
    param([String]$Path)

    $root = [IO.Path]::GetPathRoot($Path)
    $drive = $null
    if ($root -match '^[A-Za-z]:\\$') {
        $drive = New-Object -TypeName IO.DriveInfo -ArgumentList $root
    }
    # A mapped drive belongs to one login; the service has none.
    if ((-not $drive) -or (-not $drive.IsReady) -or ($drive.DriveType -eq 'Network')) {
        return @{ missing_mount = $root; filesystem = $null; free_bytes = $null }
    }
    @{ missing_mount = $null; filesystem = $drive.DriveFormat; free_bytes = [Int64]$drive.AvailableFreeSpace }
}

function Get-Release {
    param([String]$InstallDir)

    Get-ChildItem -LiteralPath $InstallDir -ErrorAction SilentlyContinue | Where-Object { $_.Name -match '^\d' } | ForEach-Object { $_.Name } |
        Select-Object -First 2000
}

function Get-OtherStore {
    # Where the service keeps its models now, if that holds some and is not where they shall be.
    param([String]$Launcher, [String]$ModelsDir)

    $text = Read-Text $Launcher $largestFile
    if (-not $text) {
        return
    }
    $setting = '^set "OLLAMA_MODELS=(.+)"$'
    $line = $text -split '\r?\n' | Where-Object { $_ -match $setting } | Select-Object -First 1
    $path = ([String]$line -replace $setting, '$1').Replace('%%', '%')
    if ((-not $path) -or ($path -eq $ModelsDir)) {
        return
    }
    $blobs = @(Get-ChildItem -LiteralPath "$path\blobs" -Filter 'sha256-*' -File -ErrorAction SilentlyContinue)
    if ($blobs) {
        @{ path = $path; size_bytes = [Int64]($blobs | Measure-Object -Property Length -Sum).Sum }
    }
}

function Test-Entry {
    param([String]$Path)

    [Boolean](Get-ChildItem -LiteralPath $Path -Force -ErrorAction SilentlyContinue | Select-Object -First 1)
}

function Read-Text {
    # The text of a file that is no link and not too long.
    param([String]$Path, [Int64]$Limit)

    $item = Get-Item -LiteralPath $Path -Force -ErrorAction SilentlyContinue
    if ((-not $item) -or $item.PSIsContainer -or (Test-Link $item) -or ($item.Length -gt $Limit)) {
        return
    }
    [IO.File]::ReadAllText($Path)
}

function ConvertFrom-PlainJson {
    # Tables and lists that go out as they came; ConvertFrom-Json makes objects of them that Ansible cannot write.
    param([String]$Text)

    Add-Type -AssemblyName System.Web.Extensions
    $reader = New-Object -TypeName Web.Script.Serialization.JavaScriptSerializer
    $reader.MaxJsonLength = $largestAnswer
    $value = $reader.DeserializeObject($Text)
    if ($value -is [System.Collections.IDictionary]) {
        $value
    }
}

function Get-Proof {
    # What was spoilt by hand counts as no proof.
    param([String]$Path)

    $text = Read-Text $Path $largestAnswer
    try {
        $proofs = (ConvertFrom-PlainJson $text)['proofs']
        if ($proofs -is [System.Collections.IDictionary]) {
            $proofs
        }
    }
    catch {
        return
    }
}

function Resolve-Address {
    param([String]$Name)

    try {
        [Net.Dns]::GetHostAddresses($Name) | ForEach-Object { $_.IPAddressToString -replace '%.*$', '' }
    }
    catch {
        # A name that nobody knows has no address.
        return
    }
}

function ConvertTo-Sid {
    # Names are translated on a localised Windows, the number is not.
    param([String]$Name)

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

function Test-LocalPort {
    # Whether a rule's ports, such as '80,8000-9000' or '*', hold ours.
    param([String]$Ports, [Int32]$Number)

    if (-not $Ports -or ($Ports -eq '*')) {
        return $true
    }
    foreach ($part in ($Ports -split ',')) {
        $low, $high = $part.Trim() -split '-', 2
        if (-not $high) { $high = $low }
        if (($low -match '^\d+$') -and ($high -match '^\d+$') -and ([Int32]$low -le $Number) -and ($Number -le [Int32]$high)) {
            return $true
        }
    }
    $false
}

function Get-Door {
    # The COM interface answers at once; Get-NetFirewallRule takes seconds for each of its filters.
    param([String]$Name, [Int32]$Number, [String]$Ours)

    $policy = New-Object -ComObject HNetCfg.FwPolicy2
    $off = @()
    $open = @()
    foreach ($bit in @(1, 2, 4)) {
        $zone = @{ 1 = 'domain'; 2 = 'private'; 4 = 'public' }[$bit]
        if (-not $policy.FirewallEnabled($bit)) {
            $off += $zone
        }
        # 1 admits what no rule forbids.
        if ($policy.DefaultInboundAction($bit) -eq 1) {
            $open += $zone
        }
    }
    # Rules of somebody else that admit to the port: of any program, or of ours; not those of a service or of an app from the store.
    $others = foreach ($other in $policy.Rules) {
        $program = [Environment]::ExpandEnvironmentVariables([String]$other.ApplicationName)
        $isOurs = (-not $program) -or $program.StartsWith($Ours + '\', [StringComparison]::OrdinalIgnoreCase)
        $admits = $other.Enabled -and ($other.Direction -eq 1) -and ($other.Action -eq 1) -and (@(6, 256) -contains $other.Protocol)
        $general = $isOurs -and (-not $other.serviceName) -and (-not $other.LocalAppPackageId)
        if ($admits -and $general -and ($other.Name -ne $Name) -and (Test-LocalPort ([String]$other.LocalPorts) $Number)) {
            [String]$other.Name
        }
    }
    $rule = $null
    $found = $policy.Rules | Where-Object { $_.Name -eq $Name } | Select-Object -First 1
    if ($found) {
        $addresses = foreach ($address in ([String]$found.RemoteAddresses -split ',')) {
            # 10.0.0.0/255.0.0.0 is how Windows gives back 10.0.0.0/8
            $network, $mask = $address -split '/', 2
            if ($mask -match '\.') {
                $bits = ($mask -split '\.' | ForEach-Object { [Convert]::ToString([Int32]$_, 2) }) -join ''
                $mask = ($bits -replace '0', '').Length
            }
            if ($mask) { "$network/$mask" } else { $network }
        }
        $rule = @{
            enabled = [Boolean]$found.Enabled
            inbound = ($found.Direction -eq 1)
            allow = ($found.Action -eq 1)
            tcp = ($found.Protocol -eq 6)
            port = [String]$found.LocalPorts
            addresses = @($addresses)
        }
    }
    @{ off = @($off); open = @($open); others = @($others | Select-Object -First 20); rule = $rule }
}

function Get-ServiceTask {
    param([String]$Name)

    $found = Get-ScheduledTask -TaskName $Name -TaskPath '\llmfleet\' -ErrorAction SilentlyContinue
    if (-not $found) {
        return
    }
    $triggers = foreach ($trigger in $found.Triggers) {
        $interval = [String]$trigger.Repetition.Interval
        (($trigger.CimClass.CimClassName -replace '^MSFT_Task|Trigger$', '').ToLowerInvariant() + ' ' + $interval).Trim()
    }
    @{
        task = @{
            execute = [String]$found.Actions[0].Execute
            arguments = [String]$found.Actions[0].Arguments
            account = ConvertTo-Sid $found.Principal.UserId
            triggers = @($triggers)
            instances = [String]$found.Settings.MultipleInstances
            limit = [String]$found.Settings.ExecutionTimeLimit
            batteries = [Boolean]$found.Settings.DisallowStartIfOnBatteries
            priority = [Int32]$found.Settings.Priority
            enabled = [Boolean]$found.Settings.Enabled
        }
        running = ([String]$found.State -eq 'Running')
    }
}

function Get-Port {
    # Another program that listens on our port, by name, and where ours listens.
    param([Int32]$Number, [String]$Ours)

    $owner = $null
    $own = $null
    foreach ($listener in @(Get-NetTCPConnection -State Listen -LocalPort $Number -ErrorAction SilentlyContinue)) {
        $process = Get-Process -Id $listener.OwningProcess -ErrorAction SilentlyContinue
        if (([String]$process.Path).StartsWith($Ours + '\', [StringComparison]::OrdinalIgnoreCase)) {
            $address = [String]$listener.LocalAddress -replace '%.*$', ''
            if ($address -match ':') { $address = "[$address]" }
            $own = "${address}:$Number"
        }
        elseif (-not $owner) {
            $owner = if ($process.Name) { [String]$process.Name } else { 'a process without a name' }
        }
    }
    @{ owner = $owner; own = $own }
}

function Test-PortExcluded {
    # Hyper-V and WinNAT keep ranges of ports for themselves; a bind in one of them is refused.
    param([Int32]$Number)

    foreach ($line in (& "$env:SystemRoot\System32\netsh.exe" int ipv4 show excludedportrange protocol=tcp)) {
        if ($line -match '^\s*(\d+)\s+(\d+)\s*$') {
            if (([Int32]$Matches[1] -le $Number) -and ($Number -le [Int32]$Matches[2])) {
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
        $folder = [String]$entry.GetValue('ProfileImagePath')
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
        [String]$running.Path
    }
}

function Get-ApiAnswer {
    # One answer of this host's own server as a table, within five seconds and a size; nothing where nobody answers as Ollama does.
    param([String]$Url)

    $left = [System.Diagnostics.Stopwatch]::StartNew()
    try {
        $request = [Net.HttpWebRequest]::Create($Url)
        $request.Proxy = $null
        $request.Timeout = 5000
        $request.ReadWriteTimeout = 5000
        $response = $request.GetResponse()
        try {
            $stream = $response.GetResponseStream()
            $data = New-Object -TypeName IO.MemoryStream
            $buffer = New-Object -TypeName 'Byte[]' -ArgumentList 65536
            while (($count = $stream.Read($buffer, 0, $buffer.Length)) -gt 0) {
                $data.Write($buffer, 0, $count)
                # A server may send a byte now and then.
                if (($data.Length -gt $largestAnswer) -or ($left.ElapsedMilliseconds -gt 5000)) {
                    return
                }
            }
            ConvertFrom-PlainJson ([Text.Encoding]::UTF8.GetString($data.ToArray()))
        }
        finally {
            $response.Close()
        }
    }
    catch {
        return
    }
}

function Get-ApiModel {
    # The fields that the roles use, by Ollama's own names, and nothing of another type. Ollama writes null for an empty list.
    param($Answer)

    $kinds = @{
        name = [String]; model = [String]; digest = [String]; size = [Int64]; size_vram = [Int64]; context_length = [Int64]
        expires_at = [String]; modified_at = [String]
    }
    foreach ($row in @($Answer['models'] | Select-Object -First 2000)) {
        if ($row -is [System.Collections.IDictionary]) {
            $entry = @{}
            foreach ($name in $kinds.Keys) {
                $value = $row[$name]
                if ($value -is [Int32]) { $value = [Int64]$value }
                if ($value -is $kinds[$name]) { $entry[$name] = $value }
            }
            $entry
        }
    }
}

function Get-Api {
    param([String]$Url)

    $api = @{ version = $null; models = $null; running = $null }
    $answer = Get-ApiAnswer "$Url/api/version"
    if ($answer -and ($answer['version'] -is [String]) -and $answer['version']) {
        $api.version = $answer['version']
        $tags = Get-ApiAnswer "$Url/api/tags"
        if ($tags) { $api.models = @(Get-ApiModel $tags) }
        $loaded = Get-ApiAnswer "$Url/api/ps"
        if ($loaded) { $api.running = @(Get-ApiModel $loaded) }
    }
    $api
}

function Get-DisplayVendor {
    $vendors = @{ '10DE' = 'nvidia'; '1002' = 'amd'; '8086' = 'intel' }
    Get-CimInstance -ClassName Win32_VideoController | Where-Object { [String]$_.PNPDeviceID -match 'VEN_(10DE|1002|8086)' } |
        ForEach-Object { $vendors[$Matches[1]] } | Sort-Object -Unique
}

$options = @{
    timeout = $module.Params.timeout
    gather = $module.Params.gather
    topology = $module.Params.topology
    allow_cli = $module.Params.allow_cli
    filesystems = @(@($module.Params.filesystems) + $question.models_dir + $question.install_dir | Where-Object { $_ } | Select-Object -Unique)
}
$identity = [Security.Principal.WindowsIdentity]::GetCurrent()
$principal = New-Object -TypeName Security.Principal.WindowsPrincipal -ArgumentList $identity
$look = @{
    schema = 1
    system = 'windows'
    is_root = $principal.IsInRole([Security.Principal.WindowsBuiltInRole]::Administrator)
    observation = Get-VramObservation -Options $options
}
$module.Result.look = $look
if (-not $look.is_root) {
    # WMI refuses others over the network, with an error that does not say so.
    $module.ExitJson()
}

$install = $question.install_dir
$current = Join-Path -Path $install -ChildPath 'current'
$proofsPath = if ($module.Params.proofs_path) { $module.Params.proofs_path } else { 'C:\ProgramData\llmfleet.fact' }
$system = Read-Field 'system' { Get-CimInstance -ClassName Win32_OperatingSystem -ErrorAction Stop }
$task = Read-Field 'service' { Get-ServiceTask $question.service }
$port = Read-Field 'port' { Get-Port $question.port $install }
$placeOfInstall = Read-Field 'install' { Get-Place $install }
$placeOfStore = Read-Field 'store' { Get-Place $question.models_dir }
$machinePath = [String][Environment]::GetEnvironmentVariable('Path', 'Machine')

# PROCESSOR_ARCHITEW6432 is set for a 32-bit shell and names the real processor.
$look.architecture = @($env:PROCESSOR_ARCHITEW6432, $env:PROCESSOR_ARCHITECTURE | Where-Object { $_ })[0]
$look.kernel = [Environment]::OSVersion.Version.ToString()
$look.os_version = $look.kernel
$look.os_name = [String]$system.Caption
$look.os_like = @()
$look.os_build = [Int32]$system.BuildNumber
$look.is_server = ($system.ProductType -ne 1)
$look.service_manager = 'windows'
$look.display_vendors = @(Read-Field 'display_vendors' { Get-DisplayVendor })
$look.l4t = $null
$look.gpu_groups = @()
$look.controller = $null
$look.brew_service = $null
# As they were written: the controller judges them, by the clock of this host.
$clock = Get-HostClock
$record = Read-Field 'change' { Get-RecordText $question.record }
$holder = Read-Field 'change' { Get-HolderText }
$look.change = @{ record = $record; holder = $holder; since_start = $clock.since_start; now = $clock.now }
$look.files = @(Read-Field 'files' { foreach ($path in $question.paths) { Get-FileEntry $path $question.user } })
$look.user = @{ exists = [Boolean]$question.user; groups = @() }
$look.task = if ($task) { $task.task } else { $null }
$look.service = @{
    path = if ($task) { $question.service } else { $null }
    loaded = [Boolean]$task
    enabled = if ($task) { $task.task.enabled } else { $null }
    running = [Boolean]($task -and $task.running)
    pid = $null
    started_at = $null
    needs_reload = $false
}
$look.port_owner = if ($port) { $port.owner } else { $null }
$look.own_listener = if ($port) { $port.own } else { $null }
$look.port_excluded = [Boolean](Read-Field 'port_excluded' { Test-PortExcluded $question.port })
$look.resolved = @(foreach ($name in $question.names) { @{ name = $name; addresses = @(Read-Field "resolved $name" { Resolve-Address $name }) } })
# Its volumes have no such mounts that the service could be told of.
$look.read_only = @()
$look.tools = @($question.tools | Where-Object { Get-Command -Name $_ -CommandType Application -ErrorAction SilentlyContinue })
$look.door = Read-Field 'door' { Get-Door $question.door $question.port $question.install_dir }
$look.install = $placeOfInstall
if ($placeOfInstall) {
    $look.install.releases = @(Read-Field 'install' { Get-Release $install })
    $look.install.moving = Test-Path -LiteralPath $question.moving
    $look.install.ours = $null
}
$look.store = $placeOfStore
if ($placeOfStore) {
    $look.store.ownerless_volume = $null
    $look.store.closed_parent = $null
    $look.store.denied = $false
    $look.store.has_entries = [Boolean](Read-Field 'store' { Test-Entry $question.models_dir })
    $look.store.other_stores = @(Read-Field 'other_stores' { Get-OtherStore $question.settings $question.models_dir })
    $look.store.manifests = $null
}
$look.desktop_app = Read-Field 'desktop_app' { Get-DesktopApp }
$look.on_path = ($machinePath -split ';') -contains $current
$look.machine_ollama_host = [Environment]::GetEnvironmentVariable('OLLAMA_HOST', 'Machine')
$look.api = Get-Api $question.url
$look.proofs = Read-Field 'proofs' { Get-Proof $proofsPath }
$look.failed = $failed
$module.ExitJson()
