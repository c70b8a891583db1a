"""Where the clock meets a backend. Only the scenarios, which put it to work, read a clock besides."""
