"""What is kept on disk: the open book, the journal, and the lock that keeps a second bot out."""
