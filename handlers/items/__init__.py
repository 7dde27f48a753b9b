"""Valid Live Events to DynamoDB items: event types, keys, attributes, compaction, rejected records."""
