"""Everything that runs in Lambda.

A record takes this way, and the folders follow it:

    source → record → decode → admit → validate → route → items → compact → write → outcome → response

``sqs`` and ``kinesis`` are the entry points, ``sources`` says how each service delivers records and what response it
understands, and ``pipeline`` names the stages. ``intake/`` makes valid Live Events of records, ``items/`` makes items
of events, ``storage/`` writes items to DynamoDB, ``telemetry/`` is what is logged and measured. ``outcome`` is what
every stage shares; ``runtime``, ``settings`` and ``deadline`` belong to a function and its invocations.
"""
