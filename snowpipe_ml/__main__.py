"""``python -m snowpipe_ml`` is the command line."""

from snowpipe_ml.cli.main import main

if __name__ == "__main__":
    main()
