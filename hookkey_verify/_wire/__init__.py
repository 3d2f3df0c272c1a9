"""What a request brings, read strictly: the bearer header and form bodies. Pure; private."""
