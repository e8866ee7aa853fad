"""Numbers to pictures: interactive figures, and files to take away. Knows nothing of pages.

import viz
viz.heatmap(att, layer=5, head=11)      # plotly.graph_objects.Figure; the same for viz.flow, viz.grid
viz.save(att, "heatmap", "head.svg", layer=5, head=11)
"""

# Before all that takes long to import.
from viz import interrupt as interrupt
from viz.export import CannotExport, Export, export, save
from viz.flow import flow
from viz.grid import grid
from viz.heatmap import heatmap
from viz.patches import patches
from viz.provenance import VERSION
from viz.view import Look

__version__ = VERSION
__all__ = ["CannotExport", "Export", "Look", "export", "flow", "grid", "heatmap", "patches", "save"]
