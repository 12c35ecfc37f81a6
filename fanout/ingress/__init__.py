"""What producers in other processes send is published: the PULL side of a publisher."""
