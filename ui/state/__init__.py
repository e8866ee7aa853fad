"""What a visitor chose on each page: restored from the link, kept in the session, written back to the link."""
