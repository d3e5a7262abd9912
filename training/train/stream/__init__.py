"""Training on specimens that are drawn while it runs: no picture is stored, and none is seen twice."""
