"""Reading a course through the REST API of Canvas, against a stand-in for it."""

import logging
from collections import defaultdict
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from cli.canvas import course, lookup
from cli.canvas.course import Course
from cli.canvas.http import Http
from cli.canvas.lookup import look_up
from cli.canvas.rest import CanvasApi, RefusedError
from cli.errors import CommandError
from cli.reconcile.row import Row
from tests.support.canvas_server import FORBIDDEN, THROTTLED, TOKEN, CanvasServer, canvas_server
from tests.support.http_server import FakeClock, Reply

TOPIC = "/courses/2041/discussion_topics/640"


@pytest.fixture
def server() -> Iterator[CanvasServer]:
    """A Canvas with one course."""
    with canvas_server(CanvasServer()) as server:
        yield server


@pytest.fixture
def clock() -> FakeClock:
    """A clock that only sleeping moves."""
    return FakeClock()


@pytest.fixture
def api(server: CanvasServer, clock: FakeClock) -> CanvasApi:
    """A client of that Canvas."""
    return CanvasApi(server.url, TOKEN, Http(server.url, sleep=clock.sleep, now=clock.now))


def read(api: CanvasApi, *tables: str) -> dict[str, list[dict[str, Any]]]:
    """Return the values of the course's rows, by table; without tables, of all."""
    found = defaultdict(list)
    for row in Course(api, "2041").rows(frozenset(tables) or course.TABLES):
        assert row.action == "U"
        found[row.table].append(row.values)
    return found


def ids(values: list[dict[str, Any]]) -> list[int]:
    """Return the ids of rows."""
    return [int(row["id"]) for row in values]


def test_all_of_a_course_is_read(server: CanvasServer, api: CanvasApi) -> None:
    """Every resource is read to its last page, with the ids that only the URL says."""
    rows = read(api)
    assert {table: ids(values) for table, values in rows.items()} == {
        "courses": [2041],
        "accounts": [12, 1],
        "sections": [310, 311],
        "enrollments": [501, 502, 503, 504, 505],
        "users": [8123, 8124],
        "assignment_groups": [70],
        "assignments": [9001, 9002],
        "assignment_overrides": [52, 53],
        "submissions": [771190, 771191],
        "modules": [88, 89, 90],
        "module_items": [881, 882, 891, 892, 893, 894, 895],
        "discussion_topics": [640, 641, 650],
        "discussion_entries": [7001, 7002, 7003, 7004, 7010, 7011],
    }
    assert rows.keys() == course.TABLES
    assert {request.method for request in server.requests} == {"GET"}
    assert rows["courses"][0]["syllabus_body"] == "<p>Bring a coat.</p>"
    assert rows["assignments"][0]["points_possible"] == Decimal("22.5")
    assert {row["course_id"] for row in rows["modules"]} == {"2041"}
    assert rows["module_items"][-1] | {"course_id": "2041", "module_id": 89} == rows["module_items"][-1]


def test_dates_are_those_of_the_assignment(api: CanvasApi) -> None:
    """Not those of the token's owner, to whom an override may apply."""
    assert [row["due_at"] for row in read(api, "assignments")["assignments"]] == ["2026-09-20T12:00:00Z", None]


def test_overrides_that_a_list_leaves_out_are_read_for_each_assignment(server: CanvasServer, api: CanvasApi) -> None:
    """A Canvas that does not include them says that there are some."""
    page = [{"id": 9001, "has_overrides": True}, {"id": 9002, "has_overrides": False}]
    server.faults.append(("/courses/2041/assignments", Reply(page)))
    assert ids(read(api, "assignment_overrides")["assignment_overrides"]) == [52, 53]
    assert len(server.requests) == 3


def test_items_are_read_per_module_only_where_they_are_left_out(server: CanvasServer, api: CanvasApi) -> None:
    """A module with more items than a page has none in the list: its items are then read by themselves."""
    assert len(read(api, "module_items")["module_items"]) == 7
    assert [request.target.partition("?")[0] for request in server.requests if "/items" in request.target] == [
        "/api/v1/courses/2041/modules/89/items"
    ] * 3
    server.requests.clear()
    assert ids(read(api, "modules")["modules"]) == [88, 89, 90]
    assert not any("/items" in request.target for request in server.requests)


def test_topics_say_whether_they_are_announcements(api: CanvasApi) -> None:
    """Announcements are a list of their own, and their rows say so."""
    topics = read(api, "discussion_topics")["discussion_topics"]
    assert [(row["id"], row["is_announcement"]) for row in topics] == [(640, False), (641, False), (650, True)]


def test_entries_are_those_of_the_view_and_what_is_newer(api: CanvasApi) -> None:
    """Replies of every level, deleted ones, and newer entries, of which an edited one replaces that of the view."""
    entries = {row["id"]: row for row in read(api, "discussion_entries")["discussion_entries"]}
    assert {row["discussion_topic_id"] for row in entries.values()} == {640, 641}
    assert entries["7001"]["message"] == "<p>Hello, all</p>"
    assert entries["7003"]["deleted"] is True
    assert entries["7004"]["parent_id"] == "7003"
    assert not any("replies" in row for row in entries.values())


def test_view_that_lags_is_not_used(api: CanvasApi) -> None:
    """Where the topic counts more entries than the view has, they are read from the lists, with the topic's ids."""
    entries = [
        row for row in read(api, "discussion_entries")["discussion_entries"] if row["discussion_topic_id"] == 641
    ]
    assert [(row["id"], row["assignment_id"], row["parent_id"]) for row in entries] == [
        (7010, 9002, None),
        (7011, 9002, 7010),
    ]


def test_view_that_is_not_there_yet_is_not_used(server: CanvasServer, clock: FakeClock, api: CanvasApi) -> None:
    """After three times 503 the entries are read from the lists, each reply once."""
    server.faults += [(f"{TOPIC}/view", Reply(b"", 503))] * 3
    entries = [
        row for row in read(api, "discussion_entries")["discussion_entries"] if row["discussion_topic_id"] == 640
    ]
    assert ids(entries) == [7001, 7002, 7004]
    assert clock.sleeps == [1, 2]


def test_view_that_answers_in_the_end_is_used(server: CanvasServer, api: CanvasApi) -> None:
    """One 503 is waited for."""
    server.faults.append((f"{TOPIC}/view", Reply(b"", 503)))
    assert 7003 in ids(read(api, "discussion_entries")["discussion_entries"])


def test_topic_that_is_closed_is_named_as_skipped(server: CanvasServer, api: CanvasApi) -> None:
    """What one topic refuses or has lost does not end the run, and is reported."""
    server.faults.append((f"{TOPIC}/view", Reply({"errors": "require_initial_post"}, 403)))
    server.faults.append(("/courses/2041/discussion_topics/641/(view|entries)", Reply({"errors": []}, 404)))
    server.faults.append(("/courses/2041/discussion_topics/641/(view|entries)", Reply({"errors": []}, 404)))
    reader = Course(api, "2041")
    rows = [row for row in reader.rows({"discussion_entries"}) if row.table == "discussion_entries"]
    assert rows == []
    assert len(reader.skipped) == 2
    assert reader.skipped[0].startswith(f"{server.url}/api/v1{TOPIC}/view is not allowed with this token")
    assert reader.skipped[1].endswith("/discussion_topics/641/entries is not a list in Canvas.")


def test_outage_is_not_skipped(server: CanvasServer, api: CanvasApi) -> None:
    """Where neither view nor lists can be had because Canvas fails, the run ends with an error."""
    server.faults += [(f"{TOPIC}/.*", Reply(b"", 502))] * 11
    with pytest.raises(CommandError, match="640/entries answered with status 502"):
        read(api, "discussion_entries")


def test_syllabus_that_canvas_leaves_out_is_named_as_skipped(server: CanvasServer, api: CanvasApi) -> None:
    """To a scoped key Canvas answers without what was to be included: then the syllabus is unknown, and not empty."""
    del server.resources["/courses/2041"]["syllabus_body"]
    reader = Course(api, "2041")
    [row] = reader.rows({"courses"})
    assert "syllabus_body" not in row.values
    assert [text.partition(":")[0] for text in reader.skipped] == ["The syllabus of course 2041"]


def test_course_that_is_gone_is_one_row(server: CanvasServer, api: CanvasApi) -> None:
    """Of a course that Canvas answers 404 for, nothing else is asked."""
    del server.resources["/courses/2041"]
    [row] = Course(api, "2041").rows()
    assert (row.table, row.values, row.action) == ("courses", {"id": "2041"}, "D")
    assert len(server.requests) == 1


def test_rows_are_as_of_before_the_request(server: CanvasServer, clock: FakeClock, api: CanvasApi) -> None:
    """The earlier of this clock and Canvas's counts, so that a clock that is wrong makes no row newer than it is."""

    def as_of() -> datetime:
        [row] = Course(api, "2041").rows({"courses"})
        return row.as_of

    server.headers["Date"] = "Mon, 07 Sep 2026 12:00:05 GMT"
    clock.time = datetime(2026, 9, 7, 12, 0, 3, tzinfo=UTC)
    assert as_of() == clock.time
    clock.time += timedelta(hours=1)
    assert as_of() == datetime(2026, 9, 7, 12, 0, 5, tzinfo=UTC)
    server.headers["Date"] = "yesterday"
    assert as_of() == clock.time


@pytest.mark.parametrize("reply", [THROTTLED, Reply({"errors": "Too many"}, 429)], ids=["403", "429"])
def test_throttling_is_waited_for(server: CanvasServer, clock: FakeClock, api: CanvasApi, reply: Reply) -> None:
    """Both forms are retried after a longer time each; a 403 of another text is not."""
    server.faults += [("/courses/2041/sections", reply)] * 3
    assert ids(read(api, "sections")["sections"]) == [310, 311]
    assert clock.sleeps == [1, 2, 4]


def test_throttling_without_end_is_an_error(server: CanvasServer, api: CanvasApi) -> None:
    """It is distinguished from a missing permission."""
    server.faults += [("/courses/2041/sections", THROTTLED)] * 8
    with pytest.raises(CommandError, match="sections is throttled, and still was after 8 attempts"):
        read(api, "sections")


def test_requests_slow_down_before_the_quota_ends(server: CanvasServer, clock: FakeClock, api: CanvasApi) -> None:
    """Below 200 units each request waits until they are back, at 10 units a second and for 30 seconds at most."""
    server.headers |= {"X-Rate-Limit-Remaining": "199.0", "X-Request-Cost": "1.5"}
    read(api, "courses", "sections")
    assert clock.sleeps == [pytest.approx(0.1)]
    server.headers["X-Rate-Limit-Remaining"] = "-500"
    read(api, "courses", "sections")
    assert clock.sleeps[1:] == [pytest.approx(0.1), 30]
    server.headers["X-Rate-Limit-Remaining"] = "650"
    read(api, "courses", "sections", "users")
    assert clock.sleeps[3:] == [30]


@pytest.mark.parametrize(
    ("reply", "complaint"),
    [
        (FORBIDDEN, "sections is not allowed with this token. It needs the permissions of an account administrator"),
        (Reply({"errors": []}, 401), "sections does not accept the token"),
        (Reply({"errors": []}, 404), "sections is not a list in Canvas"),
        (Reply(b"<html>", 404), "the answer is not one of Canvas"),
        (Reply(b"<html>", 200), "did not answer with JSON. Is it the address of Canvas?"),
        (Reply({"id": 1}), "sections is not a list in Canvas"),
        (Reply(b"", 418), "sections answered with status 418"),
    ],
)
def test_list_that_cannot_be_read_is_an_error(
    server: CanvasServer, clock: FakeClock, api: CanvasApi, reply: Reply, complaint: str
) -> None:
    """It is not taken for an empty one, and is not tried again."""
    server.faults.append(("/courses/2041/sections", reply))
    with pytest.raises(RefusedError, match=complaint):
        read(api, "sections")
    assert clock.sleeps == []


ELSEWHERE = "https://elsewhere.example.edu/api/v1/courses/2041/sections?page=2"


@pytest.mark.parametrize(
    ("reply", "complaint"),
    [
        (Reply([], headers={"Link": f'<{ELSEWHERE}>; rel="next"'}), "sections continues on another host"),
        (Reply([], headers={"Link": '<https://x:y/>; rel="next"'}), "sections continues on another host"),
        (Reply(b"", 302, {"Location": ELSEWHERE}), "sections redirects, and the token is not sent elsewhere"),
    ],
)
def test_token_is_sent_to_no_other_host(server: CanvasServer, api: CanvasApi, reply: Reply, complaint: str) -> None:
    """A link or a redirect to another host is an error that says what to pass instead."""
    server.faults.append(("/courses/2041/sections", reply))
    with pytest.raises(CommandError, match=complaint):
        read(api, "sections")
    assert [request.target.partition("?")[0] for request in server.requests[1:]] == ["/api/v1/courses/2041/sections"]


@pytest.mark.parametrize("relation", ['rel="next"', "rel=next", 'title="a, b"; REL="Next"'])
def test_next_page_is_found_in_every_form_of_the_header(server: CanvasServer, api: CanvasApi, relation: str) -> None:
    """Quoted or not, in any case, relative or absolute, and with a comma elsewhere in the header."""
    link = f'</api/v1/courses/2041/sections?x=a,b>; rel="prev", <?page=bookmark:1&per_page=100>; {relation}'
    server.faults.append(("/courses/2041/sections", Reply([], headers={"LINK": link})))
    assert ids(read(api, "sections")["sections"]) == [311]


def test_pages_in_a_circle_are_an_error(server: CanvasServer, api: CanvasApi) -> None:
    """A page that names an earlier one as its next does not keep the command busy for ever."""
    loop = Reply([], headers={"Link": f'<{server.url}/api/v1/courses/2041/sections?page=1>; rel="next"'})
    server.faults += [("/courses/2041/sections", loop)] * 3
    with pytest.raises(CommandError, match="sections lead in a circle"):
        read(api, "sections")


def test_secrets_are_not_in_the_rows(api: CanvasApi) -> None:
    """No address, feed, signed link or parameter that opens something is in the values."""
    text = str(dict(read(api)))
    assert "Lab report 1" in text
    for secret in ("secret", "@example.edu"):
        assert secret not in text


def test_token_reaches_no_log_and_no_error(
    server: CanvasServer, clock: FakeClock, caplog: pytest.LogCaptureFixture
) -> None:
    """With the most verbose logs neither those nor the errors hold it."""
    caplog.set_level(logging.DEBUG)
    api = CanvasApi(server.url, "1~another-token", Http(server.url, sleep=clock.sleep, now=clock.now))
    with pytest.raises(CommandError, match="does not accept the token") as raised:
        read(api)
    assert "courses/2041" in caplog.text
    assert "another-token" not in caplog.text + str(raised.value)


def test_settings_are_checked() -> None:
    """The token comes from the environment; an address that would expose it is an error, as is a wrong course."""
    with pytest.raises(CommandError, match=r"^CANVAS_API_TOKEN must be set"):
        CanvasApi.from_environment("https://canvas.example.edu", {})
    with pytest.raises(CommandError, match=r"^CANVAS_API_TOKEN is not a valid access token") as raised:
        CanvasApi.from_environment("https://canvas.example.edu", {"CANVAS_API_TOKEN": "se\ncret"})
    assert "cret" not in str(raised.value)
    for url in (
        "http://canvas.example.edu",
        "canvas.example.edu",
        "ftp://canvas.example.edu",
        "https://u:p@canvas.edu",
    ):
        with pytest.raises(CommandError, match=r"^--canvas "):
            CanvasApi.from_environment(url, {"CANVAS_API_TOKEN": TOKEN})
    api = CanvasApi.from_environment("https://canvas.example.edu/", {"CANVAS_API_TOKEN": f"{TOKEN}\n"})
    assert api.base_url == "https://canvas.example.edu"
    with pytest.raises(CommandError, match=r"'\.\./accounts' is not a valid course id"):
        Course(api, "../accounts")


def found(row: Row | None) -> tuple[str, int] | None:
    """Return the action of a row and its id."""
    return (row.action, int(str(row.values["id"]))) if row else None


IDS = {"course_id": "2041", "module_id": "89", "assignment_id": "9001"}


@pytest.mark.parametrize(
    ("table", "id_"),
    [
        ("assignments", "9002"),
        ("assignment_groups", "70"),
        ("assignment_overrides", "53"),
        ("modules", "90"),
        ("module_items", "895"),
        ("discussion_topics", "640"),
    ],
)
def test_look_up_tells_what_exists_from_what_is_gone(api: CanvasApi, table: str, id_: str) -> None:
    """By its id, a row that exists gives its values, and one that Canvas answers 404 for is gone."""
    assert found(look_up(api, table, IDS | {"id": id_})) == ("U", int(id_))
    assert found(look_up(api, table, IDS | {"id": "4040"})) == ("D", 4040)


def test_look_up_does_not_depend_on_the_course_where_a_row_can_move(server: CanvasServer, api: CanvasApi) -> None:
    """A section that is cross-listed, a user and an enrollment are looked up where they are found from anywhere."""
    for table in ("sections", "users", "enrollments", "courses"):
        assert found(look_up(api, table, {"id": "1"})) == ("D", 1)
    targets = [request.target.partition("?")[0] for request in server.requests]
    assert targets == [f"/api/v1/{path}/1" for path in ("sections", "users", "accounts/self/enrollments", "courses")]
    assert "submissions" not in lookup.TABLES


@pytest.mark.parametrize(
    "reply", [FORBIDDEN, Reply({"errors": []}, 401), Reply(b"<html>Not found</html>", 404)], ids=["403", "401", "proxy"]
)
def test_what_may_not_be_seen_is_not_gone(server: CanvasServer, api: CanvasApi, reply: Reply) -> None:
    """Without permission nothing is concluded; a 404 that is not Canvas's is an error, and no proof either."""
    server.faults.append(("/courses/2041/modules/90", reply))
    if reply.status == 404:
        with pytest.raises(CommandError, match="the answer is not one of Canvas"):
            look_up(api, "modules", IDS | {"id": "90"})
    else:
        assert look_up(api, "modules", IDS | {"id": "90"}) is None


def test_throttled_look_up_is_not_an_answer(server: CanvasServer, api: CanvasApi) -> None:
    """A 403 that means throttling is retried, and never read as a missing permission."""
    server.faults += [("/courses/2041/modules/90", THROTTLED)] * 7
    assert found(look_up(api, "modules", IDS | {"id": "90"})) == ("U", 90)
    server.faults += [("/courses/2041/modules/90", THROTTLED)] * 8
    with pytest.raises(CommandError, match="is throttled"):
        look_up(api, "modules", IDS | {"id": "90"})
