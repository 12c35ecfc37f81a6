"""Workers that show last values and keyframes, simulated: a world, what each must get, mistakes."""
