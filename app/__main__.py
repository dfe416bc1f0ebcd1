"""`python -m app` is the command `jobledger`, also where that is not installed."""

from app.cli import main

if __name__ == "__main__":
    main()
