#!/usr/bin/env bash
# Installs the compiler of TypeScript for the tests of new plugins: target/typescript. Does nothing if it is installed.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

version=5.9.3
out=target/typescript

if grep -qs "\"version\": \"$version\"" "$out/node_modules/typescript/package.json"; then
    exit 0
fi
.ci/node.sh
npm install --silent --no-audit --no-fund --no-save --prefix "$out" "typescript@$version" >/dev/null
