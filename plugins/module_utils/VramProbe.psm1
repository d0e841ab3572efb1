# Copyright: (c) 2026, The llmfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# The raw observation behind the fact vram on Windows, for win_vram_probe and win_look_probe.
# Collects only: every decision about these values is made in Python on the controller, where it is tested.
# $Options is that of Get-VramObservation: a function sees the variables of the one that calls it.

function Invoke-Probe {
    # Run one source. What it throws is told, and the next source has its turn.
    param([String]$Name, [ScriptBlock]$Work)

    $began = $watch.ElapsedMilliseconds
    $status = 'ok'
    $detail = $null
    $result = $null
    if ($began -ge $deadline) {
        $status = 'skipped'
        $detail = 'no time was left'
    }
    else {
        try {
            $result = & $Work
        }
        catch {
            $status = 'error'
            $detail = [String]$_.Exception.Message
        }
    }
    $null = $probes.Add(@{ name = $Name; status = $status; detail = $detail; duration_ms = $watch.ElapsedMilliseconds - $began })
    if ($null -ne $result) {
        $result
    }
}

function Get-RegistryTable {
    # The named values of a key as a table. A key that may not be read gives an empty one.
    param([String]$Path, [String[]]$Names)

    $table = @{}
    try {
        $key = Get-Item -LiteralPath $Path -ErrorAction Stop
        foreach ($name in $Names) {
            $value = $key.GetValue($name, $null)
            if ($value -is [Byte[]]) {
                # Bytes go out as numbers, so that the controller sees what the registry holds.
                $value = @($value | ForEach-Object { [Int32]$_ })
            }
            if ($null -ne $value) {
                $table[$name] = $value
            }
        }
    }
    catch {
        $table = @{}
    }
    $table
}

function Get-NvidiaAnswer {
    $paths = @(
        (Join-Path -Path $env:WINDIR -ChildPath 'System32\nvidia-smi.exe')
        (Join-Path -Path $env:ProgramFiles -ChildPath 'NVIDIA Corporation\NVSMI\nvidia-smi.exe')
    )
    $tool = $paths | Where-Object { Test-Path -LiteralPath $_ } | Select-Object -First 1
    $answers = New-Object System.Collections.ArrayList
    if ($null -ne $tool) {
        # One unknown field fails the whole query, so an old tool is asked again for what all of them know.
        $known = 'index,uuid,pci.bus_id,name,driver_version,memory.total,'
        $queries = @(
            ($known + 'memory.reserved,memory.used,memory.free,compute_cap,addressing_mode,mig.mode.current,power.limit')
            ($known + 'memory.used,memory.free')
        )
        for ($number = 0; $number -lt $queries.Count; $number++) {
            $start = New-Object System.Diagnostics.ProcessStartInfo
            $start.FileName = $tool
            $start.Arguments = '--query-gpu=' + $queries[$number] + ' --format=csv,noheader,nounits'
            $start.UseShellExecute = $false
            $start.CreateNoWindow = $true
            $start.RedirectStandardOutput = $true
            $start.StandardOutputEncoding = [System.Text.Encoding]::UTF8
            $process = [System.Diagnostics.Process]::Start($start)
            $reading = $process.StandardOutput.ReadToEndAsync()
            $left = [Int32][Math]::Max($deadline - $watch.ElapsedMilliseconds, 1)
            if (-not $process.WaitForExit($left)) {
                $process.Kill()
                throw 'nvidia-smi.exe did not answer in time'
            }
            $null = $answers.Add(@{ tool = 'nvidia-smi'; query = $number; rc = $process.ExitCode; stdout = $reading.Result; stderr = '' })
            if ($process.ExitCode -eq 0) {
                break
            }
        }
    }
    $answers
}

function Get-DirectXAdapter {
    # What DXGI said of each adapter when it was last started; the system itself keeps it here.
    $base = 'HKLM:\SOFTWARE\Microsoft\DirectX'
    $names = 'Description', 'VendorId', 'DeviceId', 'DedicatedVideoMemory', 'DedicatedSystemMemory', 'SharedSystemMemory',
    'SoftwareAdapter', 'DriverVersion', 'LastSeen'
    $adapters = New-Object System.Collections.ArrayList
    foreach ($key in @(Get-ChildItem -LiteralPath $base -ErrorAction SilentlyContinue)) {
        if ($key.PSChildName -match '^\{.+\}$') {
            $null = $adapters.Add((Get-RegistryTable -Path $key.PSPath -Names $names))
        }
    }
    @{ last_seen = (Get-RegistryTable -Path $base -Names 'LastSeen')['LastSeen']; adapters = $adapters }
}

function Get-DisplayClassKey {
    $base = 'HKLM:\SYSTEM\CurrentControlSet\Control\Class\{4d36e968-e325-11ce-bfc1-08002be10318}'
    $keys = New-Object System.Collections.ArrayList
    # Protected keys stand between the numbered ones, so each is opened by itself.
    foreach ($key in @(Get-ChildItem -LiteralPath $base -ErrorAction SilentlyContinue)) {
        if ($key.PSChildName -match '^\d{4}$') {
            $row = Get-RegistryTable -Path $key.PSPath -Names 'HardwareInformation.qwMemorySize', 'DriverDesc', 'DriverVersion'
            $null = $keys.Add(
                @{
                    key = $key.PSChildName
                    qwMemorySize = $row['HardwareInformation.qwMemorySize']
                    DriverDesc = $row['DriverDesc']
                    DriverVersion = $row['DriverVersion']
                }
            )
        }
    }
    $keys
}

function Get-Controller {
    # The display devices that are present, each with its key in the display class and its place on the bus.
    $found = New-Object System.Collections.ArrayList
    foreach ($row in @(Get-CimInstance -ClassName Win32_VideoController -ErrorAction Stop)) {
        $device = Get-RegistryTable -Path ('HKLM:\SYSTEM\CurrentControlSet\Enum\' + $row.PNPDeviceID) -Names 'Driver', 'LocationInformation'
        $null = $found.Add(
            @{
                Name = $row.Name
                PNPDeviceID = $row.PNPDeviceID
                AdapterRAM = $row.AdapterRAM
                DriverVersion = $row.DriverVersion
                ConfigManagerErrorCode = $row.ConfigManagerErrorCode
                Driver = $device['Driver']
                LocationInformation = $device['LocationInformation']
            }
        )
    }
    $found
}

function Get-Memory {
    # Bytes of physical memory; this class is part of .NET, so nothing is compiled.
    Add-Type -AssemblyName Microsoft.VisualBasic
    $info = New-Object Microsoft.VisualBasic.Devices.ComputerInfo
    @{ total = [Int64]$info.TotalPhysicalMemory; available = [Int64]$info.AvailablePhysicalMemory }
}

function Get-MemoryModule {
    # As SMBIOS describes them, under the names of probe/smbios.py. Serial numbers are not asked for.
    $found = New-Object System.Collections.ArrayList
    foreach ($row in Get-CimInstance -ClassName Win32_PhysicalMemory -OperationTimeoutSec 5 -ErrorAction Stop) {
        $null = $found.Add(
            @{
                data_width = $row.DataWidth
                size = 1
                locator = $row.DeviceLocator
                bank_locator = $row.BankLabel
                type = $row.SMBIOSMemoryType
                speed = $row.Speed
                configured_speed = $row.ConfiguredClockSpeed
            }
        )
    }
    $found
}

function Get-CoreCount {
    $cores = 0
    foreach ($row in Get-CimInstance -ClassName Win32_Processor -OperationTimeoutSec 5 -ErrorAction Stop) {
        $cores += $row.NumberOfCores
    }
    $cores
}

function Get-FileSystem {
    $found = New-Object System.Collections.ArrayList
    foreach ($path in $Options.filesystems) {
        try {
            $root = [System.IO.Path]::GetPathRoot([System.IO.Path]::GetFullPath($path))
            $drive = New-Object System.IO.DriveInfo $root
            $null = $found.Add(
                @{
                    path = $path
                    mount_point = $root
                    fstype = $drive.DriveFormat
                    total_bytes = $drive.TotalSize
                    free_bytes = $drive.AvailableFreeSpace
                }
            )
        }
        catch {
            $null = $found.Add(@{ path = $path; error = [String]$_.Exception.Message })
        }
    }
    $found
}

function Get-VramObservation {
    # Options: timeout, gather, topology, allow_cli and filesystems, as the modules take them.
    param([System.Collections.IDictionary]$Options)

    $script:watch = [System.Diagnostics.Stopwatch]::StartNew()
    $script:deadline = [Math]::Max($Options.timeout, 1) * 1000
    $script:probes = New-Object System.Collections.ArrayList
    $environment = @{}
    $visibility = 'CUDA_VISIBLE_DEVICES', 'NVIDIA_VISIBLE_DEVICES', 'ROCR_VISIBLE_DEVICES', 'HIP_VISIBLE_DEVICES', 'GPU_DEVICE_ORDINAL',
    'GGML_VK_VISIBLE_DEVICES', 'HSA_OVERRIDE_GFX_VERSION'
    foreach ($name in $visibility) {
        $environment[$name] = [Environment]::GetEnvironmentVariable($name)
    }

    $observation = @{
        observation_version = 1
        system = 'Windows'
        kernel = [Environment]::OSVersion.Version.ToString()
        # PROCESSOR_ARCHITEW6432 is set for a 32-bit shell and names the real processor.
        architecture = @($env:PROCESSOR_ARCHITEW6432, $env:PROCESSOR_ARCHITECTURE | Where-Object { $_ })[0]
        cpu_count = [Environment]::ProcessorCount
        options = @{
            timeout = $Options.timeout
            gather = @($Options.gather)
            topology = $Options.topology
            allow_cli = $Options.allow_cli
        }
        environment = $environment
        cli = @()
        windows = @{}
    }
    $observation.windows.memory = Invoke-Probe -Name 'system' -Work { Get-Memory }
    $observation.filesystems = @(Invoke-Probe -Name 'filesystems' -Work { Get-FileSystem })
    if ($Options.allow_cli -and $Options.gather -contains 'nvidia') {
        $observation.cli = @(Invoke-Probe -Name 'nvidia-smi' -Work { Get-NvidiaAnswer })
    }
    $observation.windows.dxreg = Invoke-Probe -Name 'dxreg' -Work { Get-DirectXAdapter }
    $observation.windows.class_keys = @(Invoke-Probe -Name 'registry' -Work { Get-DisplayClassKey })
    $observation.windows.controllers = @(Invoke-Probe -Name 'wmi' -Work { Get-Controller })
    $observation.memory_devices = @(Invoke-Probe -Name 'modules' -Work { Get-MemoryModule })
    $observation.physical_cores = Invoke-Probe -Name 'cores' -Work { Get-CoreCount }
    $observation.probes = $probes
    $observation.duration_ms = $watch.ElapsedMilliseconds
    $observation
}

Export-ModuleMember -Function Get-VramObservation
