# Copyright: (c) 2026, The llmfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# The functions of the Windows probe, taken out of their module as the parser sees them, under PowerShell 5.1 with Pester 5.
# What they collect is judged in Python; here only the collecting is tested.

BeforeAll {
    $path = Join-Path -Path $PSScriptRoot -ChildPath '..\..\plugins\module_utils\VramProbe.psm1'
    $errors = $null
    $script = [System.Management.Automation.Language.Parser]::ParseFile($path, [ref]$null, [ref]$errors)
    $errors | Should -BeNullOrEmpty
    $isFunction = { param($node) $node -is [System.Management.Automation.Language.FunctionDefinitionAst] }
    foreach ($function in $script.FindAll($isFunction, $true)) {
        . ([ScriptBlock]::Create($function.Extent.Text))
    }
    $watch = [System.Diagnostics.Stopwatch]::StartNew()
    $deadline = 20000
    $probes = New-Object System.Collections.ArrayList
    $key = 'HKCU:\Software\llmfleet-test'
    Remove-Item -Path $key -Recurse -ErrorAction SilentlyContinue
    $null = New-Item -Path $key
    $null = New-ItemProperty -Path $key -Name 'Quad' -PropertyType QWord -Value 12878610432
    $null = New-ItemProperty -Path $key -Name 'Raw' -PropertyType Binary -Value ([Byte[]](0, 0, 0, 251, 3, 0, 0, 0))
}

AfterAll {
    Remove-Item -Path 'HKCU:\Software\llmfleet-test' -Recurse -ErrorAction SilentlyContinue
}

Describe 'Get-RegistryTable' {
    It 'keeps 64 bits' {
        (Get-RegistryTable -Path $key -Names 'Quad')['Quad'] | Should -Be 12878610432
    }
    It 'gives bytes as numbers' {
        (Get-RegistryTable -Path $key -Names 'Raw')['Raw'] | Should -Be @(0, 0, 0, 251, 3, 0, 0, 0)
    }
    It 'leaves out what is not there' {
        (Get-RegistryTable -Path $key -Names 'Nothing').Count | Should -Be 0
    }
    It 'gives an empty table for a key that does not open' {
        (Get-RegistryTable -Path 'HKLM:\SECURITY\Nothing' -Names 'X').Count | Should -Be 0
    }
}

Describe 'Invoke-Probe' {
    BeforeEach { $probes.Clear() }
    It 'tells an error and goes on' {
        Invoke-Probe -Name 'x' -Work { throw 'broken' } | Should -BeNullOrEmpty
        $probes[0].status | Should -Be 'error'
        $probes[0].detail | Should -Be 'broken'
    }
    It 'keeps a list of one a list' {
        $found = @(Invoke-Probe -Name 'x' -Work { @{ a = 1 } })
        $found.Count | Should -Be 1
        $found[0].a | Should -Be 1
    }
    It 'skips what no time is left for' {
        $deadline = 0
        Invoke-Probe -Name 'x' -Work { throw 'must not run' } | Should -BeNullOrEmpty
        $probes[0].status | Should -Be 'skipped'
    }
}

Describe 'Get-Memory' {
    It 'counts bytes' {
        (Get-Memory).total | Should -BeGreaterThan 1GB
    }
}
