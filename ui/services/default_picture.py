"""The picture that the page shows until the visitor uploads one."""

from __future__ import annotations

from functools import cache

import numpy as np
from PIL import Image, ImageDraw


@cache
def default_picture() -> Image.Image:
    """Return a landscape, 384 x 384 pixels, with a sun, a house and a cat: objects that a model may attend to."""
    down = np.linspace(0, 1, 384)[:, None, None]
    sky = (1 - down) * np.array([92, 148, 214]) + down * np.array([236, 214, 190])
    picture = Image.fromarray(np.broadcast_to(sky, (384, 384, 3)).astype(np.uint8))
    draw = ImageDraw.Draw(picture)
    draw.ellipse((280, 30, 345, 95), fill="#fff2b0")
    draw.ellipse((-120, 220, 300, 560), fill="#6a9a58")
    draw.ellipse((140, 240, 560, 600), fill="#4f8248")
    draw.rectangle((60, 170, 150, 250), fill="#c8553d")
    draw.polygon([(50, 172), (105, 118), (160, 172)], fill="#5b3a2e")
    draw.rectangle((92, 205, 118, 250), fill="#f2e3c9")
    cat = "#22252b"
    draw.ellipse((225, 255, 305, 345), fill=cat)
    draw.ellipse((235, 205, 295, 262), fill=cat)
    draw.polygon([(238, 225), (236, 190), (260, 212)], fill=cat)
    draw.polygon([(292, 225), (294, 190), (270, 212)], fill=cat)
    draw.arc((285, 270, 350, 345), 300, 120, fill=cat, width=9)
    for x in (250, 272):
        draw.ellipse((x, 224, x + 9, 236), fill="#f6d743")
    return picture
