"""A GitHub on loopback, as far as releases go, with failures where they are asked for."""
