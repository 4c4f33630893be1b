"""The dashboard: a Streamlit application on the tables and runs of a pipeline."""
