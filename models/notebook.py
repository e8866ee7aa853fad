"""How an attention shows itself in a notebook."""

from __future__ import annotations

from pkgutil import resolve_name

from models.package import module_name


class ShownInNotebook:
    """An object that a notebook shows as linked pictures, where viz is installed, else as plain text."""

    def _repr_html_(self) -> str | None:
        # A notebook asks the object itself, but models/ draws nothing and imports no room above it. So it only knows
        # the name of what draws it, as an entry point does, and looks it up when a notebook asks.
        try:
            render = resolve_name(module_name("viz.notebook:as_html"))
        except ImportError:
            return None
        shown: str = render(self)
        return shown
