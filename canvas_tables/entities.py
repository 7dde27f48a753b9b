"""The kinds of entities, and the types of their bodies.

Generated from ``schemas/catalogue/`` by ``make generate``; do not edit it here. Each field of a body may be missing,
which means null. Ids are text, times are text in UTC such as ``2026-09-03T09:15:27.004000Z``, numbers are ``Decimal``.
"""

from decimal import Decimal
from typing import Any, NamedTuple, TypedDict


class Kind(NamedTuple):
    """Where the items of an entity are.

    ``table`` is the environment variable with the table's name. ``contexts`` are the classes that contain the entity,
    such as ``Course``; an empty one stands for any class. ``by_course`` and ``by_user`` say whether an index finds its
    items. Of an append-only entity each event is an item, in the order of time.
    """

    table: str
    contexts: frozenset[str]
    by_course: bool
    by_user: bool
    is_append_only: bool


KINDS = {
    "activity": Kind("ACTIVITY_TABLE", frozenset({"", "User"}), True, False, True),
    "assignment": Kind("ASSIGNMENTS_TABLE", frozenset({""}), False, False, False),
    "assignment_group": Kind("ASSIGNMENTS_TABLE", frozenset({""}), False, False, False),
    "assignment_override": Kind(
        "ASSIGNMENTS_TABLE", frozenset({"Assignment", "AssignmentOverride"}), False, False, False
    ),
    "wiki_page": Kind("CONTENT_TABLE", frozenset({"WikiPage"}), False, False, False),
    "attachment": Kind("CONTENT_TABLE", frozenset({""}), False, True, False),
    "quiz": Kind("CONTENT_TABLE", frozenset({""}), False, False, False),
    "lti_resource_link": Kind("CONTENT_TABLE", frozenset({""}), False, False, False),
    "conversation": Kind("CONVERSATIONS_TABLE", frozenset({"Conversation"}), False, False, False),
    "conversation_message": Kind("CONVERSATIONS_TABLE", frozenset({"Conversation"}), False, True, False),
    "course": Kind("COURSES_TABLE", frozenset({"Course"}), False, False, False),
    "course_section": Kind("COURSES_TABLE", frozenset({"CourseSection"}), True, False, False),
    "course_progress": Kind("COURSES_TABLE", frozenset({"Course"}), False, True, False),
    "syllabus": Kind("COURSES_TABLE", frozenset({"Course"}), False, False, False),
    "discussion_topic": Kind("DISCUSSIONS_TABLE", frozenset({""}), False, False, False),
    "discussion_entry": Kind("DISCUSSIONS_TABLE", frozenset({"DiscussionTopic"}), False, True, False),
    "discussion_submission": Kind("DISCUSSIONS_TABLE", frozenset({"DiscussionTopic"}), False, True, False),
    "enrollment": Kind("ENROLLMENTS_TABLE", frozenset({"Enrollment"}), True, True, False),
    "enrollment_state": Kind("ENROLLMENTS_TABLE", frozenset({"Enrollment"}), False, False, False),
    "group_category": Kind("GROUPS_TABLE", frozenset({""}), False, False, False),
    "group": Kind("GROUPS_TABLE", frozenset({""}), False, False, False),
    "group_membership": Kind("GROUPS_TABLE", frozenset({"Group"}), False, True, False),
    "content_migration": Kind("MIGRATIONS_TABLE", frozenset({""}), False, False, False),
    "content_export": Kind("MIGRATIONS_TABLE", frozenset({""}), False, False, False),
    "quiz_export": Kind("MIGRATIONS_TABLE", frozenset({"QuizExport"}), False, False, False),
    "master_template": Kind("MIGRATIONS_TABLE", frozenset({"Course"}), False, False, False),
    "master_migration": Kind("MIGRATIONS_TABLE", frozenset({"MasterTemplate"}), False, False, False),
    "blueprint_subscription": Kind("MIGRATIONS_TABLE", frozenset({"MasterTemplate"}), False, False, False),
    "blueprint_restrictions": Kind("MIGRATIONS_TABLE", frozenset({"Course"}), False, False, False),
    "default_blueprint_restrictions": Kind("MIGRATIONS_TABLE", frozenset({"Course"}), False, False, False),
    "sis_batch": Kind("MIGRATIONS_TABLE", frozenset({"SisBatch"}), False, False, False),
    "heartbeat": Kind("MIGRATIONS_TABLE", frozenset({"Environment"}), False, False, False),
    "module": Kind("MODULES_TABLE", frozenset({""}), False, False, False),
    "module_item": Kind("MODULES_TABLE", frozenset({""}), False, False, False),
    "learning_outcome": Kind("OUTCOMES_TABLE", frozenset({"", "LearningOutcome"}), False, False, False),
    "learning_outcome_group": Kind("OUTCOMES_TABLE", frozenset({"", "LearningOutcomeGroup"}), False, False, False),
    "learning_outcome_link": Kind("OUTCOMES_TABLE", frozenset({""}), False, False, False),
    "learning_outcome_result": Kind("OUTCOMES_TABLE", frozenset({"LearningOutcome"}), True, False, False),
    "outcome_calculation_method": Kind("OUTCOMES_TABLE", frozenset({""}), False, False, False),
    "outcome_proficiency": Kind("OUTCOMES_TABLE", frozenset({""}), False, False, False),
    "outcome_friendly_description": Kind("OUTCOMES_TABLE", frozenset({""}), False, False, False),
    "outcome_alignment_clone": Kind("OUTCOMES_TABLE", frozenset({"OutcomeAlignmentClone"}), False, False, False),
    "submission": Kind("SUBMISSIONS_TABLE", frozenset({"Assignment"}), False, True, False),
    "submission_grade": Kind("SUBMISSIONS_TABLE", frozenset({"Assignment"}), False, True, False),
    "submission_custom_status": Kind("SUBMISSIONS_TABLE", frozenset({"Assignment"}), True, True, False),
    "submission_comment": Kind("SUBMISSIONS_TABLE", frozenset({"Submission"}), False, True, False),
    "rubric_assessment": Kind("SUBMISSIONS_TABLE", frozenset({""}), False, False, False),
    "quiz_submission": Kind("SUBMISSIONS_TABLE", frozenset({"Quiz"}), False, False, False),
    "course_grade": Kind("SUBMISSIONS_TABLE", frozenset({"Course"}), False, True, False),
    "grade_override": Kind("SUBMISSIONS_TABLE", frozenset({"Enrollment"}), True, True, False),
    "final_grade_custom_status": Kind("SUBMISSIONS_TABLE", frozenset({"Enrollment"}), True, True, False),
    "user": Kind("USERS_TABLE", frozenset({"User"}), False, False, False),
    "user_account_association": Kind("USERS_TABLE", frozenset({"User"}), False, False, False),
    "account": Kind("USERS_TABLE", frozenset({"Account"}), False, False, False),
    "account_notification": Kind("USERS_TABLE", frozenset({"AccountNotification"}), False, False, False),
}


class AssetAccessedBody(TypedDict, total=False):
    """Someone viewed something, or a list of things."""

    asset_id: str
    asset_type: str
    asset_subtype: str
    asset_name: str
    category: str
    level: str
    role: str
    enrollment_id: str
    section_id: str
    display_name: str
    filename: str
    url: str
    domain: str


class LoginBody(TypedDict, total=False):
    """Someone logged in or out."""

    redirect_url: str


class AssignmentBody(TypedDict, total=False):
    """An assignment."""

    assignment_id: str
    assignment_id_duplicated_from: str
    assignment_group_id: str
    context_id: str
    context_type: str
    context_uuid: str
    title: str
    description: str
    workflow_state: str
    points_possible: Decimal
    submission_types: str
    due_at: str
    unlock_at: str
    lock_at: str
    updated_at: str
    anonymous_grading: bool
    anonymous_participants: bool
    created_on_blueprint_sync: bool
    lti_assignment_id: str
    lti_assignment_description: str
    lti_resource_link_id: str
    lti_resource_link_id_duplicated_from: str
    associated_integration_id: str
    resource_map: str
    domain: str
    domain_duplicated_from: str


class AssignmentGroupBody(TypedDict, total=False):
    """A group of assignments that counts for a share of the grade."""

    assignment_group_id: str
    context_id: str
    context_type: str
    name: str
    workflow_state: str
    position: Decimal
    group_weight: Decimal
    rules: str
    sis_source_id: str
    integration_data: dict[str, Any]


class AssignmentOverrideBody(TypedDict, total=False):
    """Other dates for a section, a group or some students: of an assignment, or of a module, a page, a file, an
    ungraded discussion or an ungraded quiz, which Canvas does not name.

    When such an override gets an assignment later, as when its quiz becomes graded, it gets a second item below that
    assignment, and the first one stays as it was: of the two the one with the newer ``event_time`` is right.
    """

    assignment_override_id: str
    assignment_id: str
    type: str
    course_section_id: str
    group_id: str
    workflow_state: str
    due_at: str
    unlock_at: str
    lock_at: str
    all_day: bool
    all_day_date: str


class WikiPageBody(TypedDict, total=False):
    """A page."""

    wiki_page_id: str
    title: str
    body: str
    workflow_state: str
    old_title: str
    old_body: str


class AttachmentBody(TypedDict, total=False):
    """A file of a course, a group or a user."""

    attachment_id: str
    context_id: str
    context_type: str
    display_name: str
    filename: str
    old_display_name: str
    content_type: str
    folder_id: str
    user_id: str
    locked: bool
    unlock_at: str
    lock_at: str
    updated_at: str


class QuizBody(TypedDict, total=False):
    """A classic quiz.

    A quiz of New Quizzes comes as an assignment.
    """

    quiz_id: str
    context_id: str
    context_type: str
    context_uuid: str
    assignment_id: str
    title: str
    description: str
    quiz_type: str
    workflow_state: str
    points_possible: Decimal
    due_at: str
    unlock_at: str
    lock_at: str
    updated_at: str
    time_limit: Decimal
    allowed_attempts: Decimal
    scoring_policy: str
    access_code: bool
    ip_filter: str
    shuffle_answers: bool
    hide_results: str
    show_correct_answers: bool
    show_correct_answers_at: str
    hide_correct_answers_at: str
    show_correct_answers_last_attempt: bool
    one_question_at_a_time: bool
    cant_go_back: bool
    one_time_results: bool
    anonymous_submissions: bool
    require_lockdown_browser: bool
    require_lockdown_browser_for_results: bool
    disable_timer_autosubmission: bool
    only_visible_to_overrides: bool


class LtiResourceLinkBody(TypedDict, total=False):
    """A link to an LTI 1.3 tool."""

    resource_link_id: str
    context_id: str
    context_type: str
    title: str
    url: str
    workflow_state: str
    context_external_tool_id: str
    resource_link_uuid: str
    lookup_uuid: str


class ConversationBody(TypedDict, total=False):
    """A conversation of the inbox."""

    conversation_id: str
    updated_at: str


class ConversationMessageBody(TypedDict, total=False):
    """A message in a conversation."""

    message_id: str
    conversation_id: str
    author_id: str
    created_at: str


class CourseBody(TypedDict, total=False):
    """A course."""

    course_id: str
    uuid: str
    account_id: str
    account_uuid: str
    name: str
    workflow_state: str
    created_at: str
    updated_at: str


class CourseSectionBody(TypedDict, total=False):
    """A section of a course."""

    course_section_id: str
    course_id: str
    nonxlist_course_id: str
    root_account_id: str
    enrollment_term_id: str
    name: str
    workflow_state: str
    default_section: bool
    start_at: str
    end_at: str
    restrict_enrollments_to_section_dates: bool
    accepting_enrollments: bool
    can_manually_enroll: bool
    sis_source_id: str
    sis_batch_id: str
    stuck_sis_fields: list[Any]
    integration_id: str


class CourseProgressBody(TypedDict, total=False):
    """How far a student is through the modules of a course."""

    user: dict[str, Any]
    course: dict[str, Any]
    progress: dict[str, Any]


class SyllabusBody(TypedDict, total=False):
    """The syllabus of a course."""

    course_id: str
    syllabus_body: str
    old_syllabus_body: str


class DiscussionTopicBody(TypedDict, total=False):
    """A discussion or an announcement."""

    discussion_topic_id: str
    context_id: str
    context_type: str
    assignment_id: str
    title: str
    body: str
    is_announcement: bool
    workflow_state: str
    lock_at: str
    updated_at: str


class DiscussionEntryBody(TypedDict, total=False):
    """A reply in a discussion.

    Canvas sends ``discussion_entry_submitted`` for every reply that is posted through its API, graded or not, besides
    ``discussion_entry_created`` and in either order.
    """

    discussion_entry_id: str
    discussion_topic_id: str
    parent_discussion_entry_id: str
    user_id: str
    text: str
    created_at: str


class DiscussionSubmissionBody(TypedDict, total=False):
    """A graded reply, as the submission that it counts for."""

    assignment_id: str
    submission_id: str
    discussion_entry_id: str
    discussion_topic_id: str
    parent_discussion_entry_id: str
    user_id: str


class EnrollmentBody(TypedDict, total=False):
    """That a person takes part in a section of a course: as a student, a teacher, an observer …."""

    enrollment_id: str
    course_id: str
    course_uuid: str
    course_section_id: str
    user_id: str
    user_uuid: str
    user_name: str
    associated_user_id: str
    type: str
    workflow_state: str
    limit_privileges_to_course_section: bool
    created_at: str
    updated_at: str


class EnrollmentStateBody(TypedDict, total=False):
    """What an enrollment amounts to today, by the dates of its term, course and section."""

    enrollment_id: str
    state: str
    state_started_at: str
    state_valid_until: str
    state_is_current: bool
    restricted_access: bool
    access_is_current: bool


class GroupCategoryBody(TypedDict, total=False):
    """A set of groups.

    Canvas reports the deletion of a set as group_category_updated, with no sign of it: the item stays, and is not
    marked as deleted.
    """

    group_category_id: str
    context_id: str
    context_type: str
    group_category_name: str
    group_limit: Decimal


class GroupBody(TypedDict, total=False):
    """A group of people."""

    group_id: str
    context_id: str
    context_type: str
    group_name: str
    group_category_id: str
    group_category_name: str
    account_id: str
    uuid: str
    max_membership: Decimal
    workflow_state: str


class GroupMembershipBody(TypedDict, total=False):
    """That a person is a member of a group."""

    group_membership_id: str
    group_id: str
    group_name: str
    group_category_id: str
    group_category_name: str
    user_id: str
    workflow_state: str


class ContentMigrationBody(TypedDict, total=False):
    """A copy or an import of content into a course."""

    content_migration_id: str
    context_id: str
    context_type: str
    context_uuid: str
    lti_context_id: str
    migration_type: str
    source_course_uuid: str
    source_course_lti_id: str
    destination_course_lti_id: str
    import_quizzes_next: bool
    resource_map_url: str
    domain: str


class ContentExportBody(TypedDict, total=False):
    """An export of content: of a course, a group or a user."""

    content_export_id: str
    context_id: str
    context_type: str
    context_uuid: str
    export_type: str
    settings: dict[str, Any]
    created_at: str


class QuizExportBody(TypedDict, total=False):
    """A classic quiz that was exported to become a New Quiz."""

    content_export_id: str
    assignment: dict[str, Any]
    qti_export: dict[str, Any]


class MasterTemplateBody(TypedDict, total=False):
    """A course that was made a blueprint."""

    master_template_id: str
    blueprint_course_id: str
    blueprint_course_uuid: str
    blueprint_course_title: str
    blueprint_course_workflow_state: str
    account_id: str
    account_uuid: str


class MasterMigrationBody(TypedDict, total=False):
    """A sync of a blueprint to the courses that follow it.

    Its ids come global at the start and local at the end.
    """

    master_migration_id: str
    master_template_id: str
    blueprint_course_id: str
    blueprint_course_uuid: str
    account_id: str
    account_uuid: str


class BlueprintSubscriptionBody(TypedDict, total=False):
    """A course that follows a blueprint."""

    child_subscription_id: str
    master_template_id: str
    master_course_uuid: str
    master_template_account_uuid: str
    child_course_uuid: str
    child_course_account_uuid: str


class BlueprintRestrictionsBody(TypedDict, total=False):
    """What courses that follow a blueprint may not change of one of its assignments, a New Quiz."""

    canvas_assignment_id: str
    canvas_course_id: str
    canvas_course_uuid: str
    lti_resource_link_id: str
    restrictions: dict[str, Any]
    use_default_restrictions: bool


class DefaultBlueprintRestrictionsBody(TypedDict, total=False):
    """What courses that follow a blueprint may not change of it, where an object says nothing else."""

    canvas_course_id: str
    canvas_course_uuid: str
    restrictions: dict[str, Any]


class SisBatchBody(TypedDict, total=False):
    """An import from the student information system."""

    sis_batch_id: str
    account_id: str
    workflow_state: str


class HeartbeatBody(TypedDict, total=False):
    """That Canvas sends events, for each of its environments and regions."""

    environment: str
    region: str
    region_code: str


class ModuleBody(TypedDict, total=False):
    """A module of a course."""

    module_id: str
    context_id: str
    context_type: str
    name: str
    position: Decimal
    workflow_state: str


class ModuleItemBody(TypedDict, total=False):
    """An item of a module: a page, an assignment, a file, a link …."""

    module_item_id: str
    module_id: str
    context_id: str
    context_type: str
    position: Decimal
    workflow_state: str


class LearningOutcomeBody(TypedDict, total=False):
    """A learning outcome."""

    learning_outcome_id: str
    context_id: str
    context_type: str
    context_uuid: str
    title: str
    short_description: str
    display_name: str
    description: str
    workflow_state: str
    calculation_method: str
    calculation_int: Decimal
    rubric_criterion: dict[str, Any]
    vendor_guid: str
    copied_from_outcome_id: str
    original_outcome_root_account_uuid: str
    updated_at: str


class LearningOutcomeGroupBody(TypedDict, total=False):
    """A group of outcomes, as a folder holds files."""

    learning_outcome_group_id: str
    context_id: str
    context_type: str
    context_uuid: str
    parent_outcome_group_id: str
    parent_outcome_group_context_uuid: str
    title: str
    description: str
    workflow_state: str
    vendor_guid: str
    updated_at: str


class LearningOutcomeLinkBody(TypedDict, total=False):
    """An outcome's place in a group; one outcome may have several."""

    learning_outcome_link_id: str
    context_id: str
    context_type: str
    learning_outcome_id: str
    learning_outcome_context_uuid: str
    learning_outcome_group_id: str
    learning_outcome_group_context_uuid: str
    workflow_state: str
    updated_at: str


class LearningOutcomeResultBody(TypedDict, total=False):
    """How far a student met an outcome in one piece of work."""

    id: str
    learning_outcome_id: str
    learning_outcome_context_uuid: str
    user_uuid: str
    associated_asset_id: str
    associated_asset_type: str
    artifact_id: str
    artifact_type: str
    artifact_created_at: str
    artifact_updated_at: str
    result_context_id: str
    result_context_type: str
    result_context_uuid: str
    score: Decimal
    possible: Decimal
    percent: Decimal
    mastery: bool
    original_score: Decimal
    original_possible: Decimal
    original_mastery: bool
    attempt: Decimal
    assessed_at: str
    workflow_state: str
    created_at: str
    updated_at: str


class OutcomeCalculationMethodBody(TypedDict, total=False):
    """How an account or a course makes one score of the results of an outcome."""

    outcome_calculation_method_id: str
    context_id: str
    context_type: str
    calculation_method: str
    calculation_int: Decimal
    workflow_state: str
    updated_at: str


class OutcomeProficiencyBody(TypedDict, total=False):
    """The mastery scale of an account or a course."""

    outcome_proficiency_id: str
    context_id: str
    context_type: str
    outcome_proficiency_ratings: list[Any]
    workflow_state: str
    updated_at: str


class OutcomeFriendlyDescriptionBody(TypedDict, total=False):
    """An outcome in an account's or a course's own words for students."""

    outcome_friendly_description_id: str
    context_id: str
    context_type: str
    learning_outcome_id: str
    learning_outcome_context_uuid: str
    description: str
    workflow_state: str
    root_account_id: str
    updated_at: str


class OutcomeAlignmentCloneBody(TypedDict, total=False):
    """A copied assignment whose alignments with outcomes a person has asked to be copied again."""

    new_assignment_resource_link_id: str
    original_assignment_resource_link_id: str
    status: str
    new_course_uuid: str
    new_course_resource_link_id: str
    original_course_uuid: str
    domain: str


class SubmissionBody(TypedDict, total=False):
    """A student's work on an assignment, with its grade.

    ``submission_grade`` beside it has the grade too: of the two the one with the newer ``event_time`` is right. The
    parts of an assignment (checkpoints of a discussion, the peer reviews) have submissions, grades and overrides of
    their own: Canvas never sends an event of the assignment that their ``assignment_id`` names.
    """

    submission_id: str
    assignment_id: str
    user_id: str
    group_id: str
    workflow_state: str
    score: Decimal
    grade: str
    submitted_at: str
    graded_at: str
    posted_at: str
    updated_at: str
    attempt: Decimal
    late: bool
    missing: bool
    submission_type: str
    body: str
    url: str
    lti_user_id: str
    lti_assignment_id: str
    associated_integration_id: str


class SubmissionGradeBody(TypedDict, total=False):
    """The newest change of a submission's grade: the grade now, the one before, and who gave it.

    Where ``submission`` has another grade, the one with the newer ``event_time`` is right.
    """

    submission_id: str
    assignment_id: str
    assignment_name: str
    student_id: str
    student_sis_id: str
    user_id: str
    grader_id: str
    score: Decimal
    old_score: Decimal
    grade: str
    old_grade: str
    points_possible: Decimal
    old_points_possible: Decimal
    grading_complete: bool
    muted: bool


class SubmissionCustomStatusBody(TypedDict, total=False):
    """The status that an institution itself defined, as given to a submission."""

    submission_id: str
    assignment_id: str
    course_id: str
    user_id: str
    submission_status: str
    submission_status_id: str
    old_submission_status: str
    old_submission_status_id: str
    updated_at: str


class SubmissionCommentBody(TypedDict, total=False):
    """A comment on a submission, by a teacher, the student, or another student."""

    submission_comment_id: str
    submission_id: str
    user_id: str
    body: str
    attachment_ids: list[str]
    created_at: str


class RubricAssessmentBody(TypedDict, total=False):
    """That something was assessed with a rubric; the ratings are not sent."""

    id: str
    artifact_id: str
    artifact_type: str
    assessment_type: str
    attempt: Decimal
    aligned_to_outcomes: bool
    context_uuid: str
    submitted_at: str
    created_at: str
    updated_at: str


class QuizSubmissionBody(TypedDict, total=False):
    """A student's work on a classic quiz, as handed in.

    The body does not say whose: that is who acted, the attribute ``user_id`` of the item, unless somebody else handed
    it in.
    """

    submission_id: str
    quiz_id: str


class CourseGradeBody(TypedDict, total=False):
    """A student's grade in a course, as Canvas computes it from the assignments."""

    user_id: str
    course_id: str
    workflow_state: str
    current_score: Decimal
    old_current_score: Decimal
    final_score: Decimal
    old_final_score: Decimal
    unposted_current_score: Decimal
    old_unposted_current_score: Decimal
    unposted_final_score: Decimal
    old_unposted_final_score: Decimal
    created_at: str
    updated_at: str


class GradeOverrideBody(TypedDict, total=False):
    """The grade that a teacher gave for the whole course, in place of the one that Canvas computed.

    Canvas does not send such a grade for a grading period.
    """

    score_id: str
    enrollment_id: str
    user_id: str
    course_id: str
    grading_period_id: str
    override_score: Decimal
    old_override_score: Decimal
    updated_at: str


class FinalGradeCustomStatusBody(TypedDict, total=False):
    """The status that an institution itself defined, as given to a final grade."""

    score_id: str
    enrollment_id: str
    user_id: str
    course_id: str
    grading_period_id: str
    override_status: str
    override_status_id: str
    old_override_status: str
    old_override_status_id: str
    updated_at: str


class UserBody(TypedDict, total=False):
    """A person."""

    user_id: str
    uuid: str
    name: str
    short_name: str
    user_login: str
    user_sis_id: str
    workflow_state: str
    created_at: str
    updated_at: str


class UserAccountAssociationBody(TypedDict, total=False):
    """That a person belongs to an account; Canvas does not send when that ends."""

    user_id: str
    account_id: str
    account_uuid: str
    is_admin: bool
    created_at: str
    updated_at: str


class AccountBody(TypedDict, total=False):
    """An account: the institution itself, or a part of it, as a faculty."""

    account_id: str
    parent_account_id: str
    root_account_id: str
    root_account_uuid: str
    name: str
    workflow_state: str
    external_status: str
    domain: str
    default_time_zone: str
    default_locale: str


class AccountNotificationBody(TypedDict, total=False):
    """An announcement to all people of an account."""

    account_notification_id: str
    subject: str
    message: str
    icon: str
    start_at: str
    end_at: str
