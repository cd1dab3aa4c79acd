#!/usr/bin/env bash
# Installs the browsers for the tests of the demo page: Chromium with its driver, and Firefox, which needs none. Does
# nothing if they are installed.
set -euo pipefail

have() { command -v "$1" >/dev/null; }

if have chromium && have chromedriver && have firefox-esr; then
    exit 0
fi
if ! command -v apt-get >/dev/null || [[ $(id -u) != 0 ]]; then
    echo "the tests of the demo page need browsers: install chromium, chromium-driver and firefox-esr (Debian's names)" >&2
    exit 1
fi
apt-get update -qq
DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends chromium chromium-driver firefox-esr >/dev/null
