"""The report of an evaluation: its document, its page, and the pictures on it."""
