"""Numbers to pictures: interactive figures, and files to take away. Knows nothing of pages.

from headlight import viz
viz.heatmap(att, layer=5, head=11)      # plotly.graph_objects.Figure; the same for viz.flow, viz.grid
viz.save(att, "heatmap", "head.svg", layer=5, head=11)
viz.save(att, "view", "all.html")       # all linked pictures, without a server
viz.show(trace, layer=5, head=11)       # the same in a notebook
viz.heads_scatter(table, x="entropy_bits", y="previous")    # all heads, of head_table; viz.heads_grid, viz.heads_map
"""

# Before all that takes long to import.
from viz.cli import interrupt as interrupt
from viz.figures.grid import grid
from viz.figures.heatmap import heatmap
from viz.figures.measures import heads_grid, heads_map, heads_scatter
from viz.figures.patches import patches
from viz.figures.signal import signal
from viz.figures.sound import sound
from viz.figures.token_graph import flow
from viz.files.export import Export, export, save
from viz.files.measures import save_heads
from viz.files.provenance import VERSION
from viz.formats import CannotExport
from viz.notebook import show
from viz.options import DrawOptions

__version__ = VERSION
__all__ = [
    "CannotExport",
    "DrawOptions",
    "Export",
    "export",
    "flow",
    "grid",
    "heads_grid",
    "heads_map",
    "heads_scatter",
    "heatmap",
    "patches",
    "save",
    "save_heads",
    "show",
    "signal",
    "sound",
]
