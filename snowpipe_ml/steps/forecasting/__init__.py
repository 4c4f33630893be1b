"""Steps that prepare series, train forecasters and evaluate them."""
