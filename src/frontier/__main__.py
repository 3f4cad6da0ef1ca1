"""``python -m frontier``: the same as the ``frontier`` command."""

from frontier.cli.app import main

if __name__ == "__main__":
    main()
