"""Everything that is Sigstore and nothing that is a model: trust, sign, check."""
