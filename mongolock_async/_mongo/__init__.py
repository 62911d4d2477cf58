"""The backend on MongoDB, and the writes of a fence. The only room that imports a driver."""
