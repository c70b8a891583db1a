"""The report as one page to look around in: it opens from disk and asks nothing of the network."""
