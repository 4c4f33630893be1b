"""One extension of each kind for snowpipe-ml."""
