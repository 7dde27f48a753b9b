"""Everything that runs in Lambda.

A record takes this way, and the folders follow it:

    record → decode → validate → route → items → compact → write → outcome → response

``sqs`` and ``kinesis`` are the entry points, ``sources`` says how each service delivers records and which response it
acts on, and ``pipeline`` names the stages. ``intake/`` decodes, admits and validates, ``items/`` makes items of events,
``storage/`` writes items to DynamoDB, and ``telemetry/`` is what is logged and measured. All stages share ``outcome``;
``runtime``, ``settings`` and ``deadline`` belong to a function and its invocations.
"""
