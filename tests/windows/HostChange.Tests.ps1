# Copyright: (c) 2026, The llmfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Who has a Windows host and what served there before, under PowerShell 5.1 with Pester 5, as an administrator: a small stand-in takes the place of
# Ansible.Basic. What is decided of it is decided in Python; here only the telling and acting is tested.

BeforeAll {
    Add-Type -TypeDefinition @'
using System.Collections;
namespace Ansible.Basic {
    public class AnsibleModule {
        public Hashtable Params = new Hashtable();
        public Hashtable Result = new Hashtable();
        public bool CheckMode = false;
        public static AnsibleModule Last;
        public static Hashtable Given;
        public static AnsibleModule Create(object[] arguments, IDictionary spec) {
            Last = new AnsibleModule();
            foreach (DictionaryEntry option in (IDictionary)spec["options"])
                Last.Params[option.Key] = Given.ContainsKey(option.Key) ? Given[option.Key] : ((IDictionary)option.Value)["default"];
            return Last;
        }
        public void ExitJson() { }
        public void FailJson(string message) { throw new System.Exception(message); }
    }
}
'@
    Import-Module -Name (Join-Path -Path $PSScriptRoot -ChildPath '..\..\plugins\module_utils\HostChange.psm1') -Force
    $script = Join-Path -Path $PSScriptRoot -ChildPath '..\..\plugins\modules\win_host_change.ps1'
    function Invoke-Change {
        param([Hashtable]$Given)

        [Ansible.Basic.AnsibleModule]::Given = $Given
        . $script | Out-Null
        [Ansible.Basic.AnsibleModule]::Last.Result
    }
    $root = Join-Path -Path $env:SystemDrive -ChildPath 'llmfleet-test'
    $record = Join-Path -Path $root -ChildPath '.before'
    $theirs = Join-Path -Path $env:SystemDrive -ChildPath 'llmfleet-theirs'
    $file = Join-Path -Path $env:SystemDrive -ChildPath 'llmfleet-test.cmd'
}

AfterAll {
    $held = (Invoke-Change @{}).holder
    $null = Invoke-Change @{ swap = $true; expect = $held; holder = '' }
    foreach ($path in $root, $file) {
        if (Test-Path -LiteralPath $path) {
            Remove-Item -LiteralPath $path -Recurse -Force
        }
    }
}

Describe 'who has the host' {
    It 'is nobody at first, and the clock runs' {
        $seen = Invoke-Change @{}
        $seen.holder | Should -Be ''
        $seen.swapped | Should -BeFalse
        $seen.since_start | Should -BeGreaterThan 0
        $seen.now | Should -BeGreaterThan 1764280800
    }
    It 'is who came first' {
        (Invoke-Change @{ swap = $true; expect = ''; holder = 'anna' }).swapped | Should -BeTrue
        $second = Invoke-Change @{ swap = $true; expect = ''; holder = 'otto' }
        $second.swapped | Should -BeFalse
        $second.holder | Should -Be 'anna'
    }
    It 'lies where a start of the machine empties it' {
        $key = 'HKLM:\SOFTWARE\llmfleet-change'
        # Below a key that is gone with a start none can be made that stays.
        { [Microsoft.Win32.Registry]::LocalMachine.CreateSubKey('SOFTWARE\llmfleet-change\stays') } | Should -Throw
        (Get-Acl -Path $key).AreAccessRulesProtected | Should -BeTrue
    }
    It 'is nobody again' {
        (Invoke-Change @{ swap = $true; expect = 'anna'; holder = '' }).holder | Should -Be ''
        Test-Path -LiteralPath (Join-Path -Path $env:SystemRoot -ChildPath 'llmfleet-change.guard') | Should -BeFalse
    }
}

Describe 'what served before' {
    It 'is kept in a folder that nobody else may enter' {
        Set-Content -LiteralPath $file -Value 'old' -NoNewline
        $kept = @(@{ path = $file; copy = '0' })
        $rights = 'O:BAG:BAD:PAI(A;OICI;FA;;;SY)(A;OICI;FA;;;BA)'
        $seen = Invoke-Change @{ swap = $true; record = $record; act = 'keep'; text = '{"a": 1}'; kept = $kept; rights = $rights; paths = @($file, 'C:\nowhere', $env:SystemRoot) }
        $seen.record | Should -Be '{"a": 1}'
        @($seen.found | ForEach-Object { $_.kind }) | Should -Be @('file', 'missing', 'other')
        Test-Closed $record | Should -BeTrue
        Test-Closed $root | Should -BeTrue
    }
    It 'is kept in no folder into which others have put something' {
        $null = New-Item -ItemType Directory -Path (Join-Path -Path $theirs -ChildPath 'service') -Force
        $below = Join-Path -Path $theirs -ChildPath '.before'
        { Invoke-Change @{ swap = $true; record = $below; act = 'keep'; text = '{}'; rights = 'O:BAG:BAD:PAI(A;OICI;FA;;;BA)' } } | Should -Throw '*put service into*'
        Remove-Item -LiteralPath $theirs -Recurse -Force
    }
    It 'says another thing when another run asks' {
        (Invoke-Change @{ swap = $true; record = $record; act = 'tell'; text = '{"a": 2}' }).record | Should -Be '{"a": 2}'
    }
    It 'comes back once' {
        Set-Content -LiteralPath $file -Value 'new' -NoNewline
        $back = @{ swap = $true; record = $record; act = 'restore'; kept = @(@{ path = $file; copy = '0' }) }
        (Invoke-Change $back).changed | Should -BeTrue
        Get-Content -LiteralPath $file | Should -Be 'old'
        (Invoke-Change $back).changed | Should -BeFalse
    }
    It 'is none where others could have written it' {
        $other = Join-Path -Path $env:SystemDrive -ChildPath 'llmfleet-test.cmd.d'
        $null = New-Item -ItemType Directory -Path $other -Force
        Set-Content -LiteralPath (Join-Path -Path $other -ChildPath 'record.json') -Value '{}'
        Get-RecordText $other | Should -BeNullOrEmpty
        { Invoke-Change @{ swap = $true; record = $other; act = 'remove' } } | Should -Throw '*others than administrators*'
        Remove-Item -LiteralPath $other -Recurse -Force
    }
    It 'goes' {
        $null = Invoke-Change @{ swap = $true; record = $record; act = 'remove' }
        Test-Path -LiteralPath $record | Should -BeFalse
    }
}
