"""The pictures that live in a browser, as JavaScript modules, and the HTML files that contain them."""

from viz.browser.bundle import build_page, loader, script, standalone, style

__all__ = ["build_page", "loader", "script", "standalone", "style"]
