#!/usr/bin/env bash
# Installs what the tests run besides: curl, as the README does, and systemd's check of units. Does nothing where they
# are there already.
set -euo pipefail

missing=()
command -v curl >/dev/null || missing+=(curl)
command -v systemd-analyze >/dev/null || missing+=(systemd)
if [[ ${#missing[@]} == 0 ]]; then
    exit 0
fi
if ! command -v apt-get >/dev/null || [[ $(id -u) != 0 ]]; then
    echo "the tests need: ${missing[*]}" >&2
    exit 1
fi
apt-get update -qq
DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null
