"""Where pinned files come from: a folder, the Hugging Face hub, or a package that carries them."""
