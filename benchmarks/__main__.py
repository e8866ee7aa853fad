"""`make bench`: print every benchmark as a table of medians."""

from benchmarks import extraction, page

if __name__ == "__main__":
    extraction.main()
    page.main()
