"""How much is read of what others made, where several stages must agree."""

MODEL_LIMIT_BYTES = 2 * 1024 * 1024 * 1024
"""An ONNX file is one protobuf message, and none is larger."""
