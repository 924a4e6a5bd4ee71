"""Kinds of the core group (`/api/v1`), one file each."""
