"""Release machine-learning models that people can trust: export, prove, sign, publish, verify.

Holds the version and nothing else; each stage is a folder beside this file.
"""

__version__ = "0.1.0"
