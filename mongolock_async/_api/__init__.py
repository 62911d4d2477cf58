"""What a user holds in the hand."""
