#!/usr/bin/env bash
# Installs what the tests run besides: curl, as the README does, systemd's check of units, and Prometheus with promtool,
# which read the metrics. Does nothing where they are there already.
set -euo pipefail

missing=()
command -v curl >/dev/null || missing+=(curl)
command -v systemd-analyze >/dev/null || missing+=(systemd)
command -v prometheus >/dev/null && command -v promtool >/dev/null || missing+=(prometheus)
if [[ ${#missing[@]} == 0 ]]; then
    exit 0
fi
if ! command -v apt-get >/dev/null || [[ $(id -u) != 0 ]]; then
    echo "the tests need: ${missing[*]}" >&2
    exit 1
fi
# The tests start a Prometheus themselves; Debian would start one of its own.
if [[ ! -e /usr/sbin/policy-rc.d ]]; then
    printf '#!/bin/sh\nexit 101\n' >/usr/sbin/policy-rc.d
    chmod +x /usr/sbin/policy-rc.d
    trap 'rm -f /usr/sbin/policy-rc.d' EXIT
fi
apt-get update -qq
DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null
