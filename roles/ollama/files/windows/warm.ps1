# Copyright: (c) 2026, The llmfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Load the models that stay in memory, once the server answers. The task runs it at each start and every minute: a model that is loaded costs nothing.
param(
    [string]$List
)

$ErrorActionPreference = 'Stop'
[Net.WebRequest]::DefaultWebProxy = $null
$wanted = Get-Content -LiteralPath $List -Raw -Encoding UTF8 | ConvertFrom-Json
try {
    $running = Invoke-RestMethod -Uri "$($wanted.url)/api/ps" -TimeoutSec 5 -UseBasicParsing
}
catch {
    # The server is not there yet, or not any more: the next minute asks again.
    exit 0
}
# Where models take turns one that somebody uses is left alone.
if ($wanted.turns -and @($running.models).Count -gt 0) {
    exit 0
}
$failed = 0
foreach ($model in $wanted.models) {
    $body = @{ model = $model.name; keep_alive = -1 }
    if ($model.embedding) {
        $path = '/api/embed'
        $body.input = ''
    }
    else {
        $path = '/api/generate'
        $body.stream = $false
    }
    try {
        $json = [Text.Encoding]::UTF8.GetBytes(($body | ConvertTo-Json -Compress))
        $null = Invoke-RestMethod -Uri "$($wanted.url)$path" -Method Post -Body $json -ContentType 'application/json' -TimeoutSec 1800 -UseBasicParsing
    }
    catch {
        $failed = 1
    }
}
exit $failed
