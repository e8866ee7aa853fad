"""What pictures say of the maps of each method: "attends to" is true of an attention, not of every map made of it."""

from __future__ import annotations

from dataclasses import dataclass

from models.method_names import name_method

ATTENTION = "attention"
QUERY_AXIS, KEY_AXIS = "query (attends)", "key (attended to)"


@dataclass(frozen=True)
class MethodWords:
    """The words for the maps of a method.

    `verbs` say what a query does to a key, and a key suffers from a query; `most` the same of the strongest pair.
    `noun` is what a row shares out, `axes` are the titles of both sides, `everything` is what the picture of all heads
    is called, `figures` the list of figures, `places` what is ranked for a pair, `here` and `pair` what is said of
    the selected one, and `whole` what the shares of tokens are shares of, of one head and of several.
    """

    verbs: dict[str, str]
    most: dict[str, str]
    noun: str
    axes: dict[str, str]
    everything: str
    figures: str
    places: str
    here: str
    pair: dict[str, str]
    whole: tuple[str, str]


_OF_ATTENTION = MethodWords(
    verbs={"query": "attends to", "key": "is attended to by"},
    most={"query": "gives most to", "key": "gets most from"},
    noun="attention",
    axes={"query": QUERY_AXIS, "key": KEY_AXIS},
    everything="All heads",
    figures="Figures of this head",
    places="Heads",
    here="In this head",
    pair={
        "sentence": "In this head, {query} gives {key} {weight}; {rest}.",
        "others": "the other tokens give it {weight} on average",
        "to": "most to",
        "from": "most from",
        "alone": "no other token may attend to it",
        "masked": "In this head, {query} may not attend to {key}.",
        "bad": "In this head, what {query} gives {key} is not a number.",
    },
    whole=("this head's attention", "the attention in this map"),
)


def words_of(method: str) -> MethodWords:
    """Return the words for the maps of a method; one that is not known here has careful ones."""
    if method == ATTENTION:
        return _OF_ATTENTION
    name = name_method(method)
    verbs = _VERBS.get(method, {"query": "points to", "key": "is pointed to by"})
    return MethodWords(
        verbs=verbs,
        most=_MOST.get(method, {"query": "points most to", "key": "is most pointed to by"}),
        noun="weight",
        axes=_DOWN_AXES if name.down else {"query": "query", "key": "key"},
        everything=f"{name.title}: all {name.noun}s",
        figures="Figures of this map",
        places=f"{name.noun.capitalize()}s",
        here="In this map",
        pair={
            "sentence": f"In this map, {{query}} {verbs['query']} {{key}}: {{weight}}; {{rest}}.",
            "others": "the other tokens: {weight} on average",
            "to": "strongest",
            "from": "strongest",
            "alone": "no other token can",
            "masked": "In this map, {query} and {key} are not connected.",
            "bad": "In this map, the weight of {query} and {key} is not a number.",
        },
        whole=("this map", "this map"),
    )


_VERBS = {
    "value-weighted": {"query": "receives from", "key": "contributes to"},
    "rollout": {"query": "draws on", "key": "flows into"},
    "flow": {"query": "draws on", "key": "flows into"},
    "gradient": {"query": "relies on", "key": "is relied on by"},
    "gradient rollout": {"query": "relies on", "key": "is relied on by"},
    "difference": {"query": "changed its attention to", "key": "got other attention from"},
}
_MOST = {
    "value-weighted": {"query": "receives most from", "key": "contributes most to"},
    "rollout": {"query": "draws most on", "key": "flows most into"},
    "flow": {"query": "draws most on", "key": "flows most into"},
    "gradient": {"query": "relies most on", "key": "is most relied on by"},
    "gradient rollout": {"query": "relies most on", "key": "is most relied on by"},
    "difference": {"query": "changed its attention most to", "key": "got the most changed attention from"},
}
_DOWN_AXES = {"query": "token at this layer", "key": "input token"}
