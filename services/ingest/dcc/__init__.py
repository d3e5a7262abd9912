"""`xray push --dcc`: from a centre's submission to pictures, events, observations and an account."""
