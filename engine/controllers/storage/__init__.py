"""Storage: claims and volumes find each other, are protected while used, are made, grown and given back."""
