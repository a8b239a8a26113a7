"""How much is read of what others made, where several places must agree."""

MODEL_LIMIT_BYTES = 2 * 1024 * 1024 * 1024
"""An ONNX file is one protobuf message, and none is larger."""
MAX_ENTRIES = 10_000
"""The most that is looked at in a directory of which one file is wanted."""
