"""``python -m hookkey_verify`` is the ``hookkey`` command."""

from .cli import main

if __name__ == "__main__":
    main()
