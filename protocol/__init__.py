"""What is spoken between processes: Perspective's messages with viewers, and pipes with the server's children."""
