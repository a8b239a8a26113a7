"""How much is read of what others made, where several places must agree."""

MODEL_LIMIT_BYTES = 2 * 1024 * 1024 * 1024
"""An ONNX file is one protobuf message, and none is larger."""
BUNDLE_LIMIT_BYTES = 2 * 1024 * 1024
"""A Sigstore bundle; the largest known hold a statement of some thousand subjects."""
TEXT_LIMIT_BYTES = 1024 * 1024
"""A manifest, a licence, a notice."""
RECIPE_LIMIT_BYTES = 256 * 1024
"""A recipe, in TOML."""
MAX_ENTRIES = 10_000
"""The most that is looked at in a directory of which one file is wanted."""
EVALUATION_LIMIT_BYTES = 16 * 1024 * 1024
