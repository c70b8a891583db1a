"""Machine: what this computer tells of its time, memory, processors, energy and devices, and how steady it is."""
