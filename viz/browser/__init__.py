"""The pictures that live in a browser, as JavaScript modules, and the HTML files that contain them."""

from viz.browser.bundle import page, script, standalone, style

__all__ = ["page", "script", "standalone", "style"]
