"""Loopback stand-ins for Sigstore, GitHub and the upstream project."""
