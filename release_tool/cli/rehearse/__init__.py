"""Rehearses a release against the stand-ins, and keeps them up for who tries commands by hand."""
