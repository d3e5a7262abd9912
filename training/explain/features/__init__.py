"""What a backbone's heads read, and what can be read out of it besides the labels."""
