"""Backup: the runs and the database in one file that can be verified, and put back."""
