"""Parse, call, print: one small module a command."""
