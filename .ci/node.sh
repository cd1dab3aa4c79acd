#!/usr/bin/env bash
# Installs Node.js with npm. Does nothing if they are installed.
set -euo pipefail

if command -v npm >/dev/null; then
    exit 0
fi
if ! command -v apt-get >/dev/null || [[ $(id -u) != 0 ]]; then
    echo "this needs Node.js with npm: install nodejs and npm" >&2
    exit 1
fi
apt-get update -qq
DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends nodejs npm >/dev/null
