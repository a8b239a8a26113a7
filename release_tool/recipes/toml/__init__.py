"""A recipe as a TOML file: read by its types, completed, written, and described for editors."""
