"""Read the tables of the Canvas Live Events consumer: who is in a course, what a person did, what changed.

    from canvas_tables import Tables

    for enrollment in Tables.of_stack("canvas-live-events").course("2041").enrollments():
        print(enrollment["body"]["user_name"], enrollment["body"]["type"])

Each question is answered by queries on keys and indexes, never by a scan, so what it costs depends on the answer and
not on what else the tables hold. The package needs only boto3, and its caller only the permissions
``dynamodb:Query`` and ``dynamodb:BatchGetItem`` on the tables and their indexes.

``canvas_tables.entities``, generated from the catalogue, has the types of the bodies.
"""

from canvas_tables.read import TablesError
from canvas_tables.tables import Course, Item, Tables, User

__all__ = ["Course", "Item", "Tables", "TablesError", "User"]
