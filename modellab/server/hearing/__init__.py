"""How a server hears: models in a pool, and what one request asks of them."""
