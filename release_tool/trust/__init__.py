"""Whom a verifier believes: a Sigstore instance, and an identity with its issuer."""
