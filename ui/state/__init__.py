"""The choices of each page: declared as fields, read from the link, stored in the session, published in the URL."""
