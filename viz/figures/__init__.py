"""The figures: one file each, and the registry that exports, provenance, command line and page iterate."""
