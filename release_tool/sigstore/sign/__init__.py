"""Signs with Sigstore: an identity token, and a session that signs."""
