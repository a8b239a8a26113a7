"""Everything that is GitHub: calls, a pure plan, and the transaction that publishes."""
