"""PyTorch to ONNX; the only stage that imports torch and onnxruntime, in a child process."""
