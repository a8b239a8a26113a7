"""The consumer's side: download, verdict, install."""
