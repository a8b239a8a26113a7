"""Run the command line as `python -m release_tool`; the commands themselves are in `cli/`."""

from release_tool.cli.main import main

if __name__ == "__main__":
    main()
