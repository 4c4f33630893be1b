"""The data of the dashboard's pages: queries that the warehouse answers, without Streamlit."""
