"""`make bench-queue`: what one annotation costs, through the real server, at any size of the queue."""
