"""One counter that many terminals increment, once a tick. Run it in as many as you like; Ctrl-C ends it."""
