"""Who acts, what they may do, and the keys of clients."""
