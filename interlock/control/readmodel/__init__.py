"""Read models: pure queries of the store and the endpoint that give frozen values; every view reads the same ones."""
