#!/bin/sh
# Bring the peers into the folder $1: Python packages, and the three libraries that bertviz's HTML asks of a CDN.
# npm has no jQuery 2.0.0, which bertviz names: 2.1.0 is the nearest it has.
set -e
python -m pip --disable-pip-version-check --quiet install --no-deps --target "$1" -r benchmarks/peers.txt
cd "$1"
npm pack --silent requirejs@2.3.6 jquery@2.1.0 d3@5.7.0 >/dev/null
touch .stamp
