"""The motion network: tells from the trunk's spectrum whether an animal moved during its exposure."""
