"""What coordinator and workers say to each other, and the channel it travels on."""
