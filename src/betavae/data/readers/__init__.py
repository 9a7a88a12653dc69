"""Readers: one file format each, from bytes to arrays; nothing that they read is executed."""
