"""Items into DynamoDB: attribute values, statements, flow control, transport."""
