#!/usr/bin/env bash
# Installs the Node.js package `ws` in target/node_modules for the benchmark. Does nothing if it is installed.
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
version=8.23.0

if ! command -v npm >/dev/null; then
    if ! command -v apt-get >/dev/null || [[ $(id -u) != 0 ]]; then
        echo "the benchmark needs Node.js with npm: install nodejs and npm" >&2
        exit 1
    fi
    apt-get update -qq
    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends nodejs npm >/dev/null
fi
if ! grep -qs "\"version\": \"$version\"" "$root/target/node_modules/ws/package.json"; then
    mkdir -p "$root/target"
    npm install --silent --no-audit --no-fund --no-save --prefix "$root/target" "ws@$version" >/dev/null
fi
