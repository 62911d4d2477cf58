"""What the server computes and answers. Pure: no I/O, no clock, no driver."""
