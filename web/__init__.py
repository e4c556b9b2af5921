"""What lies behind perspective_server.py: who may connect, what viewers may ask, the page's files, and the status."""
