"""How an exchange over a network fails, as far as that says what a caller may do next.

What an answer means that did come is for those who asked.
"""

from release_tool.core.errors import InputError, TryAgain


class NotSent(TryAgain):
    """The request never reached the server, so it may be repeated whatever it asks for."""


class AnswerLost(TryAgain):
    """The request may have been carried out: no answer came, or none that can be read.

    Only a request that changes nothing, or changes the same thing twice, may be repeated blindly.
    """


class TooSlow(AnswerLost):
    """The time ran out before the answer was whole; a peer may do so on purpose."""


class BadHop(InputError):
    """A server redirects to where no request goes."""
