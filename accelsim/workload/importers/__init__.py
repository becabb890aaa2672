"""Importers: networks that others describe, one file per format."""
