#!/usr/bin/env bash
# Installs what the tests need and this machine lacks: Debian packages (as root only), the npm modules of sdk/, sdk/api/ and e2e/,
# and the runner of the conformance cases in a Python environment of its own under target/. Does nothing where everything is there.
set -euo pipefail
cd "$(dirname "$0")/.."

packages=()
command -v chromium >/dev/null || packages+=(chromium)
command -v firefox-esr >/dev/null || packages+=(firefox-esr)
{ command -v turnserver && command -v turnutils_uclient; } >/dev/null || packages+=(coturn)
command -v redis-server >/dev/null || packages+=(redis-server)
command -v caddy >/dev/null || packages+=(caddy)
# For the tests of networks, the other broker, and what stands before many nodes. They lie where only root looks for programs.
for program in ip:iproute2 iptables:iptables conntrack:conntrack sysctl:procps nats-server:nats-server haproxy:haproxy; do
    PATH=$PATH:/usr/sbin:/sbin command -v "${program%:*}" >/dev/null || packages+=("${program#*:}")
done
if [ "${#packages[@]}" -gt 0 ]; then
    if [ "$(id -u)" -ne 0 ]; then
        echo "The tests need Debian packages that are not installed. Run this and try again:" >&2
        echo "    sudo apt-get update && sudo apt-get install --no-install-recommends ${packages[*]}" >&2
        exit 1
    fi
    echo "Installing ${packages[*]}"
    export DEBIAN_FRONTEND=noninteractive
    apt-get -qq update
    apt-get -qq install --yes --no-install-recommends "${packages[@]}" >/dev/null
fi

for folder in sdk sdk/api e2e; do
    # npm leaves this file behind when it is done.
    if [ ! "$folder/node_modules/.package-lock.json" -nt "$folder/package-lock.json" ]; then
        echo "Installing the npm modules of $folder/"
        npm --prefix "$folder" ci --no-audit --no-fund
    fi
done

kosoku=kosoku==0.1.0
if ! target/conformance/bin/python -m pip freeze 2>/dev/null | grep -qxF "$kosoku"; then
    echo "Installing $kosoku for the conformance cases"
    python3 -m venv --clear target/conformance
    target/conformance/bin/python -m pip install --quiet --disable-pip-version-check "$kosoku"
fi
