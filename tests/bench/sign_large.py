"""Makes a file of 1 GiB and signs it in a rehearsal, leaving the trusted root beside it."""

import sys
from pathlib import Path

from release_tool.core.artifact import Artifact
from release_tool.rehearsal.stack import start_sigstore
from release_tool.signing.sign import open_session
from release_tool.signing.token import open_identity
from release_tool.trust.instance import SigstoreInstance

path = Path(sys.argv[1])
with path.open("wb") as stream:
    stream.truncate(1024**3)
with start_sigstore() as stack:
    instance = SigstoreInstance(stack.trust_config, "bench")
    identity = open_identity(instance, stack.make_identity_token(), interactive=False)
    with open_session(instance, identity) as session:
        bundle = session.sign_artifact(Artifact.of_file(path))
    path.with_name(f"{path.name}.sigstore.json").write_bytes(bundle)
    (path.parent / "trusted_root.json").write_bytes(stack.trusted_root)
