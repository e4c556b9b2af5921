"""What lies behind producer.py: when a batch is due, what waits for TDengine, what is told, how the script stops."""
