"""What an export starts from: an audited checkout and a checkpoint."""
