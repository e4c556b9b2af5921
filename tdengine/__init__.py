"""TDengine, as both scripts need it: settings, connecting, describing a table, its rows as Arrow.

Everything goes through taosws, the official WebSocket client. It holds the GIL during each of its calls, so a process
that must answer others (perspective_server.py) may not call anything in here that talks to TDengine.
"""
