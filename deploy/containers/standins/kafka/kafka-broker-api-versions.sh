#!/bin/sh
# The same tool as in Apache's image.
exec /opt/java/bin/java -XX:+UseSerialGC -XX:TieredStopAtLevel=1 -cp '/opt/kafka/libs/*' \
    org.apache.kafka.tools.BrokerApiVersionsCommand "$@"
