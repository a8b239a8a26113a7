"""The bare rival: sigstore-python's own verifier, called as its documentation shows."""

import sys
from pathlib import Path

from sigstore.models import Bundle, ClientTrustConfig
from sigstore.verify import Verifier
from sigstore.verify.policy import Identity

model, trust_config, identity, issuer = sys.argv[1:]
config = ClientTrustConfig.from_json(Path(trust_config).read_text())
bundle = Bundle.from_json(Path(f"{model}.sigstore.json").read_bytes())
verifier = Verifier(trusted_root=config.trusted_root)
verifier.verify_artifact(
    Path(model).read_bytes(), bundle, Identity(identity=identity, issuer=issuer)
)
