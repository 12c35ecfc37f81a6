"""Interoperation: `scripts/interop` runs a publisher against subscribers of other engines.

Each engine is a small program in `engines`, built into a cache (`building`), and driven by one
harness (`foreign`) through the same `scenarios`. Which engines there are is data: `registry`.
"""
