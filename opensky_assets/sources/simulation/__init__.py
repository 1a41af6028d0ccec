"""A simulated bucket: invented traffic between real airports, in the form of OpenSky's public bucket."""
