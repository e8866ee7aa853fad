"""What titles call the heads of an attention, and of the maps that analysis/maps makes of one."""

from __future__ import annotations

from dataclasses import dataclass

# The name of a head, in every picture that has more than one.
HEAD = "Layer {layer}, head {head}"
LONGEST_METHOD = 40


@dataclass(frozen=True)
class MethodName:
    """`head` names a head, with `{layer}` and `{head}`; `title` stands before one map of several heads, "" for none.

    A method that goes `down` from a layer to the input has one head for each layer.
    """

    head: str
    title: str
    down: bool = False

    @property
    def noun(self) -> str:
        """What there is one map for."""
        return "layer" if self.down else "head"

    @property
    def place(self) -> str:
        """What a list calls a head, below a title that has the method."""
        return "Layer {layer}" if self.down else HEAD


_NAMES = {
    "attention": MethodName(HEAD, ""),
    "value-weighted": MethodName("Value-weighted: layer {layer}, head {head}", "Value-weighted"),
    "rollout": MethodName("Rollout down from layer {layer}", "Rollout", down=True),
    "flow": MethodName("Flow down from layer {layer}", "Flow", down=True),
    "gradient": MethodName("Gradient: layer {layer}, head {head}", "Gradient"),
    "difference": MethodName("Difference: layer {layer}, head {head}", "Difference"),
    "gradient rollout": MethodName("Gradient rollout down from layer {layer}", "Gradient rollout", down=True),
}


def name_method(method: str) -> MethodName:
    """Return what titles call a method; a file may have one that is not known here."""
    known = _NAMES.get(method)
    if known is not None:
        return known
    shown = "".join(each for each in method[:LONGEST_METHOD] if each.isalnum() or each in " -_") or "unknown"
    title = shown[:1].upper() + shown[1:]
    return MethodName(f"{title}: layer {{layer}}, head {{head}}", title)


def name_with_method(method: str, name: str) -> str:
    """Return the name of something that is shown with the method before it: "Rollout: mean of layer 2"."""
    title = name_method(method).title
    return f"{title}: {name[:1].lower()}{name[1:]}" if title else name
