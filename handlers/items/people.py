"""The fields that hold the id of a person, or lead to a person's work."""

# Whom an item is about, or who wrote it. With GRADER, all fields of the catalogue that hold the id of a person.
SUBJECT_FIELDS = ("user_id", "student_id", "author_id", "associated_user_id")
UUID_FIELD = "user_uuid"
GRADER = "grader_id"

# Fields that lead to the contexts of a person's own work. A comment names the submission that it is on, which may be
# another person's; a quiz submission has ids of its own.
WORK_FIELDS = {"submission_id": "Submission", "enrollment_id": "Enrollment"}
