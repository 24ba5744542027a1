"""Half a year of real flights through the real loop; `make demo`."""
