"""What `verify` and `fetch` do with a model: the verdict, what is proved beside it, its rows."""
