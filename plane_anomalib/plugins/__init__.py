"""For methods of others: the contract they are checked by, and a package to start from."""
