"""Makes files of random bytes, each in a directory of its own, and signs them in a rehearsal.

    sign_files.py PLACE NAME BYTES COUNT

leaves PLACE/0/NAME, PLACE/1/NAME and so on, each with its bundle, and what trusts them in PLACE.
"""

import os
import sys
from pathlib import Path

from release_tool.core.artifact import Artifact
from release_tool.rehearsal.stack import start_sigstore
from release_tool.sigstore.sign.session import open_session
from release_tool.sigstore.sign.token import open_identity
from release_tool.sigstore.trust.instance import SigstoreInstance

BLOCK = 1024 * 1024

place, name, size, count = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
paths = [place / str(number) / name for number in range(count)]
for path in paths:
    path.parent.mkdir(parents=True)
    with path.open("wb") as stream:
        for start in range(0, size, BLOCK):
            stream.write(os.urandom(min(BLOCK, size - start)))
with start_sigstore() as stack:
    instance = SigstoreInstance(stack.trust_config, "bench")
    identity = open_identity(instance, stack.make_identity_token(), interactive=False)
    with open_session(instance, identity) as session:
        for path in paths:
            bundle = session.sign_artifact(Artifact.of_file(path))
            path.with_name(f"{name}.sigstore.json").write_bytes(bundle)
    (place / "trusted_root.json").write_bytes(stack.trusted_root)
    (place / "trust_config.json").write_bytes(stack.trust_config)
