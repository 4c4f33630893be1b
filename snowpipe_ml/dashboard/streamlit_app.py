"""The script that Streamlit runs: its arguments are those of :func:`snowpipe_ml.dashboard.app.main`, as JSON."""

import json
import sys

from snowpipe_ml.dashboard.app import main

main(**json.loads(sys.argv[1]))
