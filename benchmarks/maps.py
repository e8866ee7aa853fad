"""What derived maps take: one token's sources by maximum flow next to networkx, the others next to a trace."""

from functools import partial
from statistics import median

import networkx
import numpy as np
import psutil

from analysis import attention_flow, rollout, value_weighted
from analysis.maps.chain import make_chain
from benchmarks.table import Report, interleaved, milliseconds, ratio, timed
from benchmarks.views import text_of_pieces
from models import Attention, Model, load_model

N_TOKENS, N_LAYERS = 64, 12
# How many of the 64 flows networkx solves, evenly over the text: all of them would take minutes.
FEW = 4
SECONDS = 20


def attention_of_twelve_layers() -> tuple[Model, str, Attention]:
    """Return MiniLM's shape with twice its layers: its own six, one after another, two times."""
    model, text = load_model("minilm"), text_of_pieces(N_TOKENS, "1")
    att = model.trace(text)["encoder"]
    layers = [*att.layers, *att.layers][:N_LAYERS]
    return model, text, Attention("encoder", layers, att.query_tokens, att.key_tokens, att.source)


def by_networkx(att: Attention, query: int, keys: list[int]) -> list[float]:
    """Return the maximum flow from a token of the last layer to some tokens of the input."""
    chain, graph = make_chain("flow", att, 0.5, "mean"), networkx.DiGraph()
    for layer in range(att.n_layers):
        for (i, j), capacity in np.ndenumerate(chain.matrix(layer)):
            graph.add_edge((layer + 1, i), (layer, j), capacity=capacity)
    return [networkx.maximum_flow_value(graph, (att.n_layers, query), (0, key)) for key in keys]


def main(report: Report) -> None:
    """Print how long maps take, and how far our flows are from those of networkx."""
    model, text, att = attention_of_twelve_layers()
    last, keys = att.n_query // 2, list(range(0, N_TOKENS, N_TOKENS // FEW))
    flows = attention_flow(att).weights(att.n_layers - 1, 0, queries=[last])[0]
    others: list[float] = []
    seconds_of_networkx = timed(lambda: others.extend(by_networkx(att, last, keys))) / FEW * N_TOKENS
    worst = float(np.abs(flows[keys] - others).max())
    works = {
        "flow": lambda: attention_flow(att).weights(att.n_layers - 1, 0, queries=[last]),
        "rollout": lambda: rollout(att).weights(att.n_layers - 1, 0),
        "trace": lambda: model.trace(text),
        "value": lambda: value_weighted(model, text).layer(0),
    }
    taken = interleaved({name: partial(timed, work) for name, work in works.items()}, seconds=SECONDS)
    middle = {name: milliseconds(median(each)) for name, each in taken.items()}
    report.table(
        f"Derived maps, {N_TOKENS} tokens, {N_LAYERS} layers of 12 heads",
        ("what", "time", "next to it"),
        [
            ("maximum flow, one token of the last layer to all of the input", middle["flow"], "–"),
            (
                "the same by networkx",
                milliseconds(seconds_of_networkx),
                f"{FEW} of {N_TOKENS} flows, times {N_TOKENS // FEW}",
            ),
            ("rollout, all tokens of all layers", middle["rollout"], "–"),
            (
                "value-weighted, MiniLM (6 layers)",
                middle["value"],
                f"{ratio(taken['value'], taken['trace']):.1f} traces",
            ),
        ],
        f"Flows differ from those of networkx by {worst:.0e} at most. The attention is MiniLM's six layers, two times. "
        f"The load at the end was {psutil.getloadavg()[0]:.1f} on {psutil.cpu_count()} cores.",
    )
