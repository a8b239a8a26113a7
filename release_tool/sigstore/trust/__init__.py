"""Whom and what a verdict believes: trusted roots and the expected signer."""
