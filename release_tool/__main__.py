"""Run the command line, as `python -m release_tool` and as the program; the commands are in `cli/`.

From the first line on, ctrl-C ends it with exit code 130 and one line.
"""

try:
    from release_tool.cli.interruption import EXIT_CODE, on_signals, quit_at_once

    on_signals(quit_at_once)
except KeyboardInterrupt:
    from release_tool.cli.interruption import quit_at_once

    quit_at_once()

import signal
import sys
import warnings


def main() -> None:
    """Run the command line; what is left to be done after it is tidied up undisturbed.

    Libraries warn of odd certificates and of their own future; the program says what it has to say
    itself. `python -W` brings them back.
    """
    if not sys.warnoptions:
        warnings.simplefilter("ignore")
    try:
        from release_tool.cli.main import main as run  # noqa: PLC0415  (ctrl-C is safe now)

        run()
    except KeyboardInterrupt:  # one more, while the first was being told
        sys.exit(EXIT_CODE)
    finally:
        on_signals(signal.SIG_IGN)


if __name__ == "__main__":
    main()
