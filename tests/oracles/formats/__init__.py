"""Slow, independent models of number formats, written from the standards."""
