#!/bin/sh
# Bring what the browser tests need: a Chromium, and a font with Chinese characters for the exported pictures.
# Debian's packages when this is Debian and we are root, else Playwright's own browser.
set -eu

have_browser() {
    command -v chromium >/dev/null || command -v chromium-browser >/dev/null || command -v google-chrome >/dev/null ||
        python -c 'import os, sys; from playwright.sync_api import sync_playwright
with sync_playwright() as p: sys.exit(not os.path.exists(p.chromium.executable_path))' 2>/dev/null
}
have_font() {
    python -c 'import sys; from matplotlib import font_manager as f
sys.exit(not any("CJK" in e.name for e in f.FontManager(size=None).ttflist))' 2>/dev/null
}
debian_root() { [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; }

if ! have_browser || ! have_font; then
    if debian_root; then
        apt-get update -qq
        DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends chromium fonts-noto-cjk >/dev/null
    else
        have_browser || playwright install chromium
    fi
fi
have_browser || { echo "No Chromium: install one (Debian: apt-get install chromium) and run make test again." >&2; exit 1; }
have_font || echo "No font with Chinese characters (Debian: fonts-noto-cjk): the tests of Chinese exports will fail." >&2
