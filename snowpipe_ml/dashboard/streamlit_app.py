"""The script that Streamlit runs: its arguments are those of :func:`snowpipe_ml.dashboard.app.main`, as JSON."""

import json
import sys

from snowpipe_ml.dashboard.app import main

# A worker of Python functions imports the main module of its parent under another name.
if __name__ == "__main__":
    main(**json.loads(sys.argv[1]))
