"""The nft table as data: what it should hold, the transaction that gets it there, and the kernel's side of it."""
