"""Drawing for files: fonts, colour bars and titles of matplotlib figures."""
