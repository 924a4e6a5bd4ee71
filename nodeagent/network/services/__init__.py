"""Services as nft rules: which endpoints a packet may go to (pure), the rules for it (pure), and keeping them so."""
