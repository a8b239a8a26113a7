"""Checks a Sigstore bundle against a trusted root, step by step."""
