"""Where a release goes: GitHub, draft first, published last."""
