"""Reads PyTorch checkpoints without torch and without running code."""
