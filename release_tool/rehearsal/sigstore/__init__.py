"""A Sigstore on loopback: issuer, Fulcio, CT log, Rekor and timestamp authority."""
