"""What operators see at a glance, and do to accounts, keys and jobs over HTTP."""

from __future__ import annotations

from live_server import draw_all

from .test_studio import draw, person, studio

__all__ = ["studio"]


def test_the_overview_counts_what_is_there(studio):
    ann, operator = person(studio, tier="supporter"), person(studio, "Op", is_operator=True)
    one, _ = draw(studio, ann, "a fox", num_pictures=2)
    ann.patch(f"/api/pictures/{one['id']}", json={"is_published": True})
    studio.post(f"/api/gallery/{one['id']}/report", json={"category": "spam"})
    studio.post("/api/waitlist", json={"name": "Eve", "email": "eve@example.org"})
    ann.post("/api/jobs", json={"prompt": "a secret hill", "num_pictures": 3})
    seen = operator.get("/api/admin/overview").json()
    (model,) = seen["models"]
    assert (model["name"], model["waiting"], model["running"]) == ("flat", 1, 0)
    assert model["workers"] == 0  # its loop is ours, and reports to nobody
    assert (seen["pictures"], seen["published"], seen["open_reports"]) == (2, 1, 1)
    assert seen["ended_today"] == {"done": 1}
    assert seen["accounts"] == {"active": 2, "waiting": 1}
    assert seen["oldest_seconds"] >= 0 < seen["disk_free_bytes"]
    assert seen["tiers"]["supporter"]["weight"] == 3.0
    assert ann.get("/api/admin/overview").status_code == 403


def test_the_queue_tells_whose_a_job_is_and_not_its_sentence(studio):
    ann, operator = person(studio), person(studio, "Op", is_operator=True)
    job = ann.post("/api/jobs", json={"prompt": "a secret hill", "num_pictures": 3}).json()
    answer = operator.get("/api/admin/jobs")
    (shown,) = answer.json()["data"]
    assert (shown["id"], shown["who"], shown["num_pictures"]) == (job["id"], "Ann", 3)
    assert "secret" not in answer.text
    assert ann.post(f"/api/admin/jobs/{job['id']}/cancel").status_code == 403
    assert operator.post(f"/api/admin/jobs/{job['id']}/cancel").status_code == 204
    assert ann.get(f"/api/jobs/{job['id']}").json()["state"] == "cancelled"
    assert operator.get("/api/admin/jobs").json()["data"] == []
    draw_all(studio.loop)


def test_accounts_come_with_their_keys_and_the_pictures_of_the_day(studio):
    operator = person(studio, "Op", is_operator=True)
    wish = {"name": "Ann", "email": "ann@example.org", "tier": "supporter"}
    made = operator.post("/api/admin/accounts", json=wish)
    assert made.status_code == 201
    account, key = made.json()["account"], made.json()["key"]
    studio.headers["Authorization"] = f"Bearer {key}"
    draw(studio, studio, "a fox", num_pictures=2)
    _, shown = operator.get("/api/admin/accounts").json()["data"]
    assert (shown["name"], shown["tier"], shown["pictures_today"]) == ("Ann", "supporter", 2)
    (first,) = shown["keys"]
    assert first["prefix"] in key and key not in str(shown)
    second = operator.post(f"/api/admin/accounts/{account}/keys", json={"name": "phone"}).json()
    studio.headers["Authorization"] = f"Bearer {second['key']}"
    assert studio.get("/api/pictures").status_code == 200
    assert operator.post(f"/api/admin/keys/{first['prefix']}/revoke").status_code == 204
    revoked, _ = operator.get("/api/admin/accounts").json()["data"][1]["keys"]
    assert revoked["revoked_at"] is not None
    again = operator.post("/api/admin/accounts", json=wish)
    assert (again.status_code, again.json()["error"]["param"]) == (422, "email")


def test_a_tier_is_changed_to_one_that_there_is(studio):
    operator = person(studio, "Op", is_operator=True)
    account = operator.post("/api/admin/accounts", json={"name": "Ann"}).json()["account"]
    url = f"/api/admin/accounts/{account}"
    assert operator.patch(url, json={"tier": "supporter"}).status_code == 204
    assert operator.get("/api/admin/accounts").json()["data"][1]["tier"] == "supporter"
    wrong = operator.patch(url, json={"tier": "golden"})
    assert (wrong.status_code, wrong.json()["error"]["param"]) == (422, "tier")
    assert operator.patch("/api/admin/accounts/acc_0", json={"tier": "free"}).status_code == 404
