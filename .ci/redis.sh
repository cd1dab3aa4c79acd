#!/usr/bin/env bash
# Sees to it that there is a redis-server and its sentinel for the tests, each of which starts one of its own. Does
# nothing where they are there already.
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
# The tests start servers themselves; Debian would start one of its own.
if [[ ! -e /usr/sbin/policy-rc.d ]]; then
    printf '#!/bin/sh\nexit 101\n' >/usr/sbin/policy-rc.d
    chmod +x /usr/sbin/policy-rc.d
    trap 'rm -f /usr/sbin/policy-rc.d' EXIT
fi
apt-get update -qq
DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends redis-server redis-sentinel >/dev/null
