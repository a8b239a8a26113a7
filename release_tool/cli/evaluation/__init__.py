"""What `evaluate` and its like put together."""
