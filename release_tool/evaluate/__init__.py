"""What a model does: upstream's published pictures again, and two models side by side."""
