"""Runtimes: one file each, none importing another, each loaded only when asked for."""
