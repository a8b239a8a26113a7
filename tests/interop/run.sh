#!/bin/sh
# Shows that the rehearsal's bundles verify in sigstore-js, which shares no code with
# sigstore-python. Needs node 20 and npm; everything else is made in a temporary directory.
# Usage: run.sh BIN, where BIN holds the installed release-tool.
set -eu
bin=$1
here=$(cd "$(dirname "$0")" && pwd)
place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT INT TERM

npm install --silent --no-audit --no-fund --prefix "$place" \
  @sigstore/bundle@4.0.0 @sigstore/verify@3.1.1 @sigstore/protobuf-specs@0.5.0

model=u2netp_mirror_v1.onnx
identity=https://github.com/rehearsal/u2netp-mirror/.github/workflows/release.yml@refs/heads/main
issuer=https://token.actions.githubusercontent.com

check() { # EXPECTED-EXIT WHAT BUNDLE ARTIFACT ROOT IDENTITY
  status=0
  INTEROP_MODULES="$place/node_modules" node "$here/verify.mjs" "$3" "$4" "$5" "$6" "$issuer" \
    >"$place/said" 2>&1 || status=$?
  [ "$status" -eq "$1" ] || { echo "FAILED $2: exit $status, expected $1"; cat "$place/said"; exit 1; }
  echo "ok     $2"
}

for rekor in v1 v2; do
  out=$place/$rekor
  "$bin/release-tool" rehearse --rekor $rekor --out "$out" >/dev/null 2>&1
  root=$out/rehearsal/trusted_root.json
  check 0 "$rekor: sigstore-js accepts the model's bundle" \
    "$out/$model.sigstore.json" "$out/$model" "$root" "$identity"
  check 1 "$rekor: sigstore-js refuses another identity" \
    "$out/$model.sigstore.json" "$out/$model" "$root" "${identity}x"
  if [ $rekor = v1 ]; then # this version of sigstore-js hashes an envelope for v2 in its own way
    check 0 "$rekor: sigstore-js accepts the provenance bundle" \
      "$out/u2netp_mirror_v1.provenance.sigstore.json" "$out/$model" "$root" "$identity"
  fi
  printf 'x' >>"$out/$model"
  check 1 "$rekor: sigstore-js refuses a changed model" \
    "$out/$model.sigstore.json" "$out/$model" "$root" "$identity"
done
