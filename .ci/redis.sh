#!/usr/bin/env bash
# Installs redis-server and redis-sentinel for the tests, which start their own servers. Does nothing if they are
# installed.
set -euo pipefail

have() { command -v "$1" >/dev/null; }

if have redis-server && have redis-sentinel; then
    exit 0
fi
if have valkey-server && have valkey-sentinel; then
    exit 0
fi
if ! have apt-get || [[ $(id -u) != 0 ]]; then
    echo "the tests need Redis or Valkey with its sentinel: install redis-server and redis-sentinel" >&2
    exit 1
fi
# The tests start their own servers. This policy keeps Debian from starting one.
if [[ ! -e /usr/sbin/policy-rc.d ]]; then
    printf '#!/bin/sh\nexit 101\n' >/usr/sbin/policy-rc.d
    chmod +x /usr/sbin/policy-rc.d
    trap 'rm -f /usr/sbin/policy-rc.d' EXIT
fi
apt-get update -qq
DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends redis-server redis-sentinel >/dev/null
