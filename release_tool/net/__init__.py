"""The HTTP client of the tool: addresses, redirects, limits, deadlines.

What is asked for, and what an answer means to it, is known to the rooms that call.
"""
