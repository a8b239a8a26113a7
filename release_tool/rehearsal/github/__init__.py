"""A GitHub on loopback, as far as releases go, with failures on cue."""
