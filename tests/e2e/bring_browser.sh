#!/bin/sh
# Bring what the browser tests need: a Chromium, and fonts with Chinese characters and emoji for the exported pictures.
# Debian's packages when this is Debian and we are root, else Playwright's own browser.
set -eu

have_browser() {
    command -v chromium >/dev/null || command -v chromium-browser >/dev/null || command -v google-chrome >/dev/null ||
        python -c 'import os, sys; from playwright.sync_api import sync_playwright
with sync_playwright() as p: sys.exit(not os.path.exists(p.chromium.executable_path))' 2>/dev/null
}
have_font() {
    python -c 'import sys; from matplotlib import font_manager as f
names = {e.name for e in f.FontManager(size=None).ttflist}
sys.exit(not ("Symbola" in names and any("CJK" in name for name in names)))' 2>/dev/null
}
debian_root() { [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; }

if ! have_browser || ! have_font; then
    if debian_root; then
        apt-get update -qq
        DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends chromium fonts-noto-cjk fonts-symbola >/dev/null
    else
        have_browser || playwright install chromium
    fi
fi
have_browser || { echo "No Chromium: install one (Debian: apt-get install chromium) and run make test again." >&2; exit 1; }
have_font || echo "No fonts with Chinese characters and emoji (Debian: fonts-noto-cjk fonts-symbola): tests of exports will fail." >&2
