"""Who is let in: keys, sessions, guests, proxies, tiers, strange sites and strange names."""

import statistics
import time

import pytest
from starlette.testclient import TestClient

from live_server import draw_all
from nonette.cli.main import main
from nonette.core.errors import InputError
from nonette.server.accounts import Accounts
from nonette.server.app import create_app
from nonette.server.settings import load
from nonette.server.worker import WorkerLoop

WISH = {"prompt": "a fox", "num_pictures": 1}


@pytest.fixture
def serve(tmp_path):
    """Makes clients of one server that listens as told."""
    clients = []

    def make(host="0.0.0.0", **changes):
        settings = load(data_dir=tmp_path / "data", models=("flat",), host=host, **changes)
        client = TestClient(create_app(settings), base_url="http://127.0.0.1")
        clients.append(client.__enter__())
        return client

    yield make
    for client in clients:
        client.__exit__(None, None, None)


@pytest.fixture
def accounts(database):
    return Accounts(database)


def key_of(client, **facts):
    """A new account's key, as headers."""
    accounts = client.app.state.house.accounts
    account = accounts.add(**{"name": "Ann", **facts})
    return account, {"Authorization": f"Bearer {accounts.new_key(account)}"}


def test_beyond_loopback_a_key_is_needed(serve):
    client = serve()
    answer = client.post("/api/jobs", json=WISH)
    assert (answer.status_code, answer.json()["error"]["code"]) == (401, "missing_api_key")
    assert answer.json()["error"]["type"] == "authentication_error"
    _, headers = key_of(client)
    assert client.post("/api/jobs", json=WISH, headers=headers).status_code == 202
    assert client.get("/healthz").status_code == 200


def test_on_loopback_none_is_needed_and_any_word_will_do(serve):
    client = serve("127.0.0.1")
    for headers in ({}, {"Authorization": "Bearer sk-anything"}):
        assert client.post("/api/jobs", json=WISH, headers=headers).status_code == 202
    wrong = {"Authorization": "Bearer sk-nonette-000000000000-" + "a" * 43}
    assert client.post("/api/jobs", json=WISH, headers=wrong).status_code == 401
    assert client.get("/api/session").json()["kind"] == "local"


def test_what_a_proxy_brings_to_loopback_is_from_beyond(serve):
    client = serve("127.0.0.1")
    for name in ("X-Forwarded-For", "Forwarded", "X-Real-IP"):
        assert client.post("/api/jobs", json=WISH, headers={name: "1.2.3.4"}).status_code == 401


def test_a_wrong_key_a_revoked_one_and_a_suspended_account(serve):
    client = serve()
    accounts = client.app.state.house.accounts
    account, headers = key_of(client)
    key = headers["Authorization"].removeprefix("Bearer ")
    wrong = {"Authorization": f"Bearer {key[:-1]}{'a' if key[-1] != 'a' else 'b'}"}
    assert client.get("/api/jobs", headers=wrong).json()["error"]["code"] == "invalid_api_key"
    job = client.post("/api/jobs", json=WISH, headers=headers).json()
    accounts.decide(account, "suspended", "it drew spam")
    refused = client.get("/api/jobs", headers=headers)
    assert (refused.status_code, "it drew spam" in refused.text) == (403, True)
    assert client.app.state.house.queue.look(job["id"]).state == "cancelled"
    accounts.decide(account, "active")
    assert client.get("/api/jobs", headers=headers).status_code == 200
    accounts.revoke_key(key.split("-")[2])
    refused = client.get("/api/jobs", headers=headers)
    assert (refused.status_code, refused.json()["error"]["code"]) == (403, "key_revoked")


def test_the_database_holds_no_key(accounts, settings):
    key = accounts.new_key(accounts.add("Ann"))
    accounts.database.close()
    secret = key.split("-", 3)[3].encode()
    for path in settings.data_dir.glob("nonette.sqlite3*"):
        assert secret not in path.read_bytes()


def test_guessing_takes_the_same_time_whether_or_not_the_prefix_exists(accounts):
    """Medians over many guesses; the comparison itself is `hmac.compare_digest`."""
    prefix = accounts.new_key(accounts.add("Ann")).split("-")[2]
    medians = []
    for tried in (prefix, "0" * 12):
        times = []
        for _ in range(60):
            start = time.perf_counter()
            with pytest.raises(Exception, match="not known"):
                accounts.of_key(f"sk-nonette-{tried}-{'a' * 43}")
            times.append(time.perf_counter() - start)
        medians.append(statistics.median(times))
    assert max(medians) < 3 * min(medians)


def test_an_address_that_guesses_has_to_wait(serve):
    client = serve()
    wrong = {"Authorization": "Bearer nothing"}
    statuses = [client.get("/api/jobs", headers=wrong).status_code for _ in range(25)]
    assert statuses == [401] * 20 + [429] * 5
    assert int(client.get("/api/jobs", headers=wrong).headers["retry-after"]) <= 120


def test_another_accounts_job_is_not_there(serve):
    client = serve()
    (_, ann), (_, eve) = key_of(client), key_of(client, name="Eve")
    job = client.post("/api/jobs", json=WISH, headers=ann).json()["id"]
    loop = WorkerLoop(*_parts(client))
    draw_all(loop)
    picture = client.get(f"/api/jobs/{job}", headers=ann).json()["results"][0]["url"]
    assert client.get(picture, headers=ann).status_code == 200
    for method, path in (
        ("GET", f"/api/jobs/{job}"),
        ("GET", f"/api/jobs/{job}/events"),
        ("GET", f"/api/jobs/{job}/preview"),
        ("POST", f"/api/jobs/{job}/cancel"),
        ("GET", picture),
    ):
        assert client.request(method, path, headers=eve).status_code == 404
    assert client.get("/api/jobs", headers=eve).json()["data"] == []


def _parts(client):
    from nonette.core.flat import FlatEngine

    house = client.app.state.house
    return FlatEngine(native_size=(16, 16)), house.database, house.settings


def test_a_session_speaks_for_its_account_until_it_ends(serve):
    client = serve()
    account, headers = key_of(client)
    key = headers["Authorization"].removeprefix("Bearer ")
    assert client.post("/api/session", json={"key": "nothing"}).status_code == 401
    signed = client.post("/api/session", json={"key": key})
    cookie = signed.headers["set-cookie"].lower()
    assert "httponly" in cookie and "samesite=lax" in cookie
    assert client.get("/api/session").json()["account"] == account
    assert client.post("/api/jobs", json=WISH).status_code == 202
    token = client.cookies["nonette_session"]
    assert client.delete("/api/session").status_code == 204
    client.cookies.set("nonette_session", token)
    assert client.get("/api/jobs").status_code == 401
    assert client.get("/api/session").json()["kind"] == "none"


def test_an_expired_session_is_none(accounts, monkeypatch):
    token = accounts.open_session(accounts.add("Ann"))
    assert accounts.of_session(token) is not None
    later = time.time() + 31 * 86_400
    monkeypatch.setattr(time, "time", lambda: later)
    assert accounts.of_session(token) is None


def test_a_guest_keeps_their_jobs_by_cookie_and_an_account_claims_them(serve):
    client = serve(api_keys="never-even-on-open-networks")
    assert client.get("/api/session").json()["kind"] == "guest"
    job = client.post("/api/jobs", json=WISH).json()["id"]
    other = TestClient(client.app, base_url="http://127.0.0.1")
    assert other.get(f"/api/jobs/{job}").status_code == 404
    _, headers = key_of(client)
    assert client.post("/api/session/claim", headers=headers).json() == {"jobs": 1}
    assert other.get(f"/api/jobs/{job}", headers=headers).status_code == 200
    assert client.get(f"/api/jobs/{job}").status_code == 404


def test_guests_of_one_address_share_its_turns_and_its_address_is_not_stored(serve):
    from sqlalchemy import select

    from nonette.server.tables import Job

    client = serve(api_keys="never-even-on-open-networks")
    for _ in range(2):
        client.cookies.clear()
        client.get("/api/session")
        client.post("/api/jobs", json=WISH)
    with client.app.state.house.database.read() as session:
        jobs = session.execute(select(Job.owner, Job.lane)).all()
    assert len({owner for owner, _ in jobs}) == 2
    (lane,) = {lane for _, lane in jobs}
    assert lane.startswith("address:") and "testclient" not in lane


def test_tiers_bound_requests_a_minute_and_pictures_a_day(serve):
    tiers = {
        "free": {"requests_per_minute": 3, "pictures_per_day": 5},
        "guest": {},
        "gold": {"weight": 4.0},
    }
    client = serve(tiers=tiers)
    _, free = key_of(client)
    answers = [client.post("/api/jobs", json=WISH, headers=free) for _ in range(4)]
    assert [answer.status_code for answer in answers] == [202, 202, 202, 429]
    left = [answer.headers["x-ratelimit-remaining-requests"] for answer in answers[:3]]
    assert left == ["2", "1", "0"]
    assert 1 <= int(answers[3].headers["retry-after"]) <= 20
    _, second = key_of(client)
    five = client.post("/api/jobs", json=WISH | {"num_pictures": 5}, headers=second)
    assert five.status_code == 202
    over = client.post("/api/jobs", json=WISH, headers=second)
    assert (over.status_code, over.json()["error"]["code"]) == (429, "insufficient_quota")
    assert over.headers["x-should-retry"] == "false"
    client.post(f"/api/jobs/{five.json()['id']}/cancel", headers=second)
    assert client.post("/api/jobs", json=WISH, headers=second).status_code == 202
    _, gold = key_of(client, tier="gold")
    assert client.post("/api/jobs", json=WISH, headers=gold).status_code == 202


def test_tiers_that_are_needed_must_be_there():
    with pytest.raises(InputError, match="guest"):
        load(tiers={"free": {}})


def test_the_waitlist_tells_nobody_who_is_on_it(serve):
    client = serve()
    who = {"name": "Zoë", "email": "zoe@example.org"}
    answers = [client.post("/api/waitlist", json=who) for _ in range(2)]
    assert [answer.status_code for answer in answers] == [202, 202]
    assert answers[0].json() == answers[1].json()
    _, operator = key_of(client, name="Op", is_operator=True)
    _, plain = key_of(client)
    assert client.get("/api/admin/accounts", headers=plain).status_code == 403
    (row,) = client.get("/api/admin/accounts?state=waiting", headers=operator).json()["data"]
    assert (row["email"], row["state"]) == ("zoe@example.org", "waiting")
    approved = client.post(f"/api/admin/accounts/{row['id']}/approve", headers=operator).json()
    key = {"Authorization": f"Bearer {approved['key']}"}
    assert client.post("/api/jobs", json=WISH, headers=key).status_code == 202
    prefix = approved["key"].split("-")[2]
    assert client.post(f"/api/admin/keys/{prefix}/revoke", headers=operator).status_code == 204
    assert client.get("/api/jobs", headers=key).status_code == 403


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Origin": "http://evil.example"}, 403),
        ({"Origin": "null"}, 403),
        ({"Sec-Fetch-Site": "cross-site"}, 403),
        ({"Host": "evil.example"}, 403),
        ({"Origin": "http://127.0.0.1"}, 202),
        ({"Host": "localhost:8000", "Origin": "http://localhost:8000"}, 202),
        ({"Host": "[::1]:8000"}, 202),
    ],
)
def test_pages_of_other_sites_and_made_up_names_are_kept_out(client, headers, status):
    assert client.post("/api/jobs", json=WISH, headers=headers).status_code == status


def test_no_other_site_may_read_an_answer(client):
    answer = client.get("/api/jobs", headers={"Origin": "http://evil.example"})
    assert not [name for name in answer.headers if name.startswith("access-control")]


def test_the_command_line_makes_lists_and_revokes(settings, capsys):
    folder = ("--data-dir", str(settings.data_dir))
    assert main(["admin", "add", "Ann", "--email", "ann@example.org", *folder]) == 0
    account, key = (line.split()[-1] for line in capsys.readouterr().out.splitlines())
    assert main(["admin", "accounts", *folder]) == 0
    assert account in (listed := capsys.readouterr().out) and key.split("-")[2] in listed
    assert main(["admin", "suspend", "ann@example.org", "--reason", "spam", *folder]) == 0
    assert main(["admin", "approve", account, *folder]) == 0
    assert capsys.readouterr().out.startswith("sk-nonette-")
    assert main(["admin", "revoke", key.split("-")[2], *folder]) == 0
    assert main(["admin", "revoke", "nothing", *folder]) == 2
    assert main(["admin", "add", "Bob", "--tier", "platinum", *folder]) == 2
    assert main(["admin", "add", "Bob", "--email", "ann@example.org", *folder]) == 2
