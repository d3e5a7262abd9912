"""`xray review`: a curator's verdicts, one specimen or a file of them."""
