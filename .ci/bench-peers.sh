#!/usr/bin/env bash
# Installs the Node.js package `ws` in target/node_modules for the benchmark. Does nothing if it is installed.
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
version=8.23.0

"$root/.ci/node.sh"
if ! grep -qs "\"version\": \"$version\"" "$root/target/node_modules/ws/package.json"; then
    mkdir -p "$root/target"
    npm install --silent --no-audit --no-fund --no-save --prefix "$root/target" "ws@$version" >/dev/null
fi
