"""How assets are stored and loaded. Not here: what is in them."""
