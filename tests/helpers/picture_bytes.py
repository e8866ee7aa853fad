"""Picture files in memory."""

import io

from PIL import Image


def encode(picture: Image.Image, file_format: str = "PNG", **options: object) -> bytes:
    file = io.BytesIO()
    picture.save(file, format=file_format, **options)
    return file.getvalue()
