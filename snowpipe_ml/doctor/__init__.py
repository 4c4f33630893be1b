"""Questions to an account before the first run: can this spec run there, and if not, what is missing?

Every statement only reads. ``needs.py`` derives the privileges from the spec, ``account.py`` asks the account,
and each check (``checks.py``) turns answers into findings with a remedy.
"""
