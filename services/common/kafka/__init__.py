"""The only code of the services that creates Kafka clients, translates their errors and reads topics to their end."""
