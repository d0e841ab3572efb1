#!/bin/sh
# Copyright: (c) 2026, The llmfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Tiny releases that are wrong in one way each, laid out as GitHub does, below $1.
set -eu
cd "$1"

# release VERSION: packs ./tree and writes its checksum
release() {
    mkdir -p "v$1"
    chmod -R a+rX,u+w tree
    chmod a+x tree/bin/* tree/lib/ollama/* 2>/dev/null || true  # one release has no engine
    tar -C tree -cf - . | zstd -q -o "v$1/ollama-linux-amd64.tar.zst"
    (cd "v$1" && sha256sum ./*.zst > sha256sum.txt)
    rm -r tree
}
program() { mkdir -p tree/bin tree/lib/ollama; cat > tree/bin/ollama; }
engine() { echo 'engine' > tree/lib/ollama/llama-server; }

program <<'END'
#!/bin/sh
echo "panic: this release is broken" >&2
exit 1
END
engine
release 9.0.1

server() { program <<END
#!/usr/bin/python3
import http.server, json, os
class Answer(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        body = json.dumps({"version": "$1"}).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
host, port = os.environ["OLLAMA_HOST"].rsplit(":", 1)
http.server.HTTPServer((host, int(port)), Answer).serve_forever()
END
}
server 1.2.3
engine
release 9.0.2

# A good one, with an archive more for AMD cards.
mkdir -p tree/lib/ollama/rocm_v7_2 v9.0.5
touch tree/lib/ollama/rocm_v7_2/libggml-hip.so
tar -C tree -cf - . | zstd -q -o v9.0.5/ollama-linux-amd64-rocm.tar.zst
rm -r tree
server 9.0.5
engine
release 9.0.5

program <<'END'
#!/bin/sh
echo "this release hangs" >&2
sleep 1000
END
engine
release 9.0.6

program <<'END'
#!/bin/sh
sleep 1000
END
release 9.0.3

program <<'END'
#!/bin/sh
sleep 1000
END
engine
release 9.0.4
sed -i 's/^...../00000/' v9.0.4/sha256sum.txt
