"""What a publisher has counted, out of its shared memory alone: nobody is asked, nothing waits."""
