"""Any text, for properties."""

from __future__ import annotations

from hypothesis import strategies as st

ANY = st.characters(exclude_categories=["Cs"])
"""The characters of `st.text()`: all but surrogates, which UTF-8 cannot encode.

It finds them by encoding each there is, for three seconds in each process of a fresh clone.
"""
