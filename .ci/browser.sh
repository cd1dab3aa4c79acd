#!/usr/bin/env bash
# Installs the browser and the driver for the tests of the demo page. Does nothing if they are installed.
set -euo pipefail

if command -v chromium >/dev/null && command -v chromedriver >/dev/null; then
    exit 0
fi
if ! command -v apt-get >/dev/null || [[ $(id -u) != 0 ]]; then
    echo "the tests of the demo page need a browser: install chromium and chromium-driver (Debian's names)" >&2
    exit 1
fi
apt-get update -qq
DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends chromium chromium-driver >/dev/null
